import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Training passes through the picture backbones, with random weights.
@Suite struct NetworkGradientTests {
    /// One small network of each family.
    static let names = [
        "resnet18", "mobilenetv2_035", "mobilenetv3_small_050", "efficientnet_b0", "convnext_atto", "convnextv2_atto",
        "regnety_002", "swin_tiny_patch4_window7_224",
    ]

    /// Maps of odd sizes, so that windows are filled up. A rectifier within a gate may be off for both pictures.
    @Test(arguments: names)
    func everyParameterGetsAGradient(name: String) throws {
        func check(_ network: some ImageBackbone) {
            var generator = SeededGenerator(seed: 4)
            let pictures = Tensor.uniform(-2..<2, [2, 72, 64, 3], using: &generator)
            let pass = TrainingPass(using: SeededGenerator(seed: 0))
            let (_, gradients) = valueAndGradients(of: network) { network in
                let pooled = network.features(of: pictures, reading: [], during: pass).pooled
                return (network.logits(pooled)! * irregular([2, 1000])).sum()
            }
            let names = network.namedTensors.filter(\.isParameter).map(\.name)
            #expect(names.count == gradients.tensors.count)
            for (name, gradient) in zip(names, gradients.tensors) {
                let largest = gradient.absolute().scalars().max() ?? 0
                #expect(largest.isFinite && (largest > 0 || name.contains(".se.")), "\(name): \(largest)")
            }
        }
        let network = try Catalog.architecture(named: name).makeImageBackbone(seed: 3)
        check(network)
    }
}
