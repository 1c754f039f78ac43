import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Networks with weights that both sides compute, against torchvision and timm (`Tests/golden/networks.py`):
/// inference, and one step of training.
@Suite struct NetworkParityTests {
    static let names = ["resnet18", "resnet50", "vit_tiny_patch16_224"]

    @Test(arguments: names)
    func everyTapEqualsTheReference(name: String) throws {
        try Self.check(try Self.filled(name), name)
    }

    private static func check(_ network: some ImageBackbone, _ name: String) throws {
        let golden = try SafetensorsFile(goldenFile("\(name).safetensors")).tensors
        let features = network.features(of: pictures, reading: Set(network.taps.map(\.name)))
        #expect(features.pooled.shape == [4, network.pooledFeatures])
        expectClose(features.pooled, golden["pooled"]!, relative: 1e-4, "pooled")
        expectClose(network.logits(features.pooled)!, golden["logits"]!, relative: 1e-4, "logits")
        for tap in network.taps {
            let value = features.taps[tap.name]!.slice(1..<2)
            let mean = value.mean(along: Array(0..<value.rank - 1))
            expectClose(mean, golden["\(tap.name)/mean"]!, relative: 1e-4, tap.name)
        }
    }

    /// Not the deepest: over fifty norms of sixteen places each, float32's rounding grows past any useful tolerance.
    @Test(arguments: ["resnet18", "vit_tiny_patch16_224"])
    func aTrainingStepEqualsPyTorchs(name: String) throws {
        try Self.checkTraining(try Self.filled(name), name)
    }

    private static func checkTraining(_ network: some ImageBackbone, _ name: String) throws {
        let golden = try SafetensorsFile(goldenFile("\(name).safetensors")).tensors
        let pass = TrainingPass(using: SeededGenerator(seed: 0))
        let (loss, gradients) = valueAndGradients(of: network) { network in
            let features = network.features(of: pictures, reading: [], during: pass)
            return crossEntropy(network.logits(features.pooled)!, [3, 1, 4, 1])
        }
        expectClose(loss, golden["loss"]!, relative: 1e-4, "loss")
        var trained = network
        trained.updateBuffers(by: pass.updates)
        for (name, tensor, isParameter) in trained.namedTensors where !isParameter {
            guard let expected = golden["running/\(name)"] else { continue }
            expectClose(tensor, expected, relative: 1e-4, name)
        }
        let names = network.namedTensors.filter(\.isParameter).map(\.name)
        let norms = gradients.tensors.map { $0.squared().sum().squareRoot().scalar() }
        expectClose(Tensor(norms), golden["gradient/norms"]!, relative: 1e-3, "norms of the gradients")
        for (name, gradient) in zip(names, gradients.tensors) {
            guard let expected = golden["gradient/\(name)"] else { continue }
            // Sums that cancel are zero but for rounding; what they are held against is the largest gradient.
            guard expected.absolute().scalars().max()! > 1e-4 * norms.max()! else { continue }
            expectClose(gradient, expected, relative: 5e-3, "gradient of \(name)")
        }
    }

    private static func filled(_ name: String) throws -> any ImageBackbone {
        func fill(_ network: some ImageBackbone) -> any ImageBackbone {
            var network = network
            var filler = WaveFiller()
            network.visit(&filler)
            return network
        }
        return fill(try Catalog.architecture(named: name).makeImageBackbone(forPicturesOf: 64, seed: 0))
    }

    /// `sin(0.013 i) + sin(0.00037 i)`.
    private static let pictures = Tensor(
        (0..<4 * 64 * 64 * 3).map { index -> Float in
            let (slow, fast): (Double, Double) = (sin(0.00037 * Double(index)), sin(0.013 * Double(index)))
            return Float(fast + slow)
        },
        shape: [4, 64, 64, 3])
}

/// Gives every tensor the values that the reference computes for its name.
private struct WaveFiller: Visitor {
    private var path: [String] = []

    mutating func enter(_ name: String) { path.append(name) }
    mutating func leave() { path.removeLast() }
    mutating func parameter(_ name: String, _ tensor: inout Tensor) { fill(name, &tensor) }
    mutating func buffer(_ name: String, _ tensor: inout Tensor) { fill(name, &tensor) }

    private func fill(_ name: String, _ tensor: inout Tensor) {
        let full = (path + [name]).joined(separator: ".")
        let phase = 0.1 * Double(full.utf8.reduce(0) { $0 + Int($1) })
        let isWide = tensor.rank >= 2
        let fanIn = Double(tensor.elementCount / tensor.shape[0])
        let scale: Double = isWide ? (2 / fanIn).squareRoot() : 0.1
        let isScale = full.hasSuffix("weight") || full.hasSuffix("running_var")
        let shift: Double = !isWide && isScale ? 1 : 0
        let values = (0..<tensor.elementCount).map { index -> Float in
            let place = Double(index)
            let wave: Double = sin(0.37 * (place * place) + phase)
            return Float(wave * scale + shift)
        }
        tensor = Tensor(values, shape: tensor.shape)
    }
}
