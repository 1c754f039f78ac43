import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Every picture backbone as a frozen program against its own eager pass, with random weights.
@Suite struct FrozenBackboneTests {
    /// Of each family the small ones: the others differ in counts alone.
    static let names = [
        "mobilenet_v2", "efficientnet_lite0", "resnet18", "resnet50", "vit_tiny_patch16_224", "vit_small_patch16_224",
        "mobilenetv3_small_100", "convnext_atto", "convnextv2_atto", "regnety_002",
        "swin_tiny_patch4_window7_224",
    ]

    private static func network(_ name: String) throws -> any ImageBackbone {
        try Catalog.architecture(named: name).makeImageBackbone(forPicturesOf: 64, seed: 5)
    }

    /// Convolutions take odd sizes, transformers the size that they were made for.
    private static func pictures(_ name: String, count: Int) -> Tensor {
        var generator = SeededGenerator(seed: 9)
        let size = name.hasPrefix("vit") ? [64, 64] : [67, 45]
        return .uniform(-2..<2, [count] + size + [3], using: &generator)
    }

    private static func eager(_ network: any ImageBackbone, _ pictures: Tensor, _ tap: Tap.Name) -> [Tensor] {
        let features = network.features(of: pictures, reading: [tap])
        return [features.pooled, features.taps[tap]!]
    }

    @Test(arguments: names)
    func aProgramEqualsTheEagerPass(name: String) throws {
        let network = try Self.network(name)
        let middle = network.taps[network.taps.count / 2].name
        let pictures = Self.pictures(name, count: 3)
        let expected = Self.eager(network, pictures, middle)
        let exact = FrozenBackbone(network, for: FeatureRequest(taps: [middle], vector: true))
        let features = exact.features(of: pictures, workers: 2)
        expectClose(features.pooled, expected[0], relative: 1e-4, "pooled")
        expectClose(features.taps[middle]!, expected[1], relative: 1e-4, middle)
        let rough = FrozenBackbone(network, precision: .bfloat16).features(of: pictures).pooled
        let cosines = (rough.l2Normalized() * expected[0].l2Normalized()).sum(along: [1]).scalars()
        for cosine in cosines { #expect(cosine > 0.995 && cosine < 1.0001) }
    }

    /// A single picture is cut into bands of rows, heads and samples; also into more than there is to cut.
    @Test(arguments: names)
    func bandsEqualTheWhole(name: String) throws {
        let network = try Self.network(name)
        let middle = network.taps[network.taps.count / 2].name
        let pictures = Self.pictures(name, count: 1)
        let frozen = FrozenBackbone(network, for: FeatureRequest(taps: [middle], vector: true))
        let whole = frozen.features(of: pictures)
        for threads in [2, 3, 5] {
            let shared = frozen.features(of: pictures, workers: threads)
            expectClose(shared.pooled, whole.pooled, relative: 1e-4, "\(threads) threads")
            expectClose(shared.taps[middle]!, whole.taps[middle]!, relative: 1e-4, "\(threads) threads, \(middle)")
        }
    }
}
