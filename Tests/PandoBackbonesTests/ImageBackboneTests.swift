import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// The picture backbones with their real weights against PyTorch's features (`Tests/golden/backbones.py`).
@Suite struct ImageBackboneTests {
    static let networks: [(name: String, network: any ImageBackbone)] = Catalog.fetched.map {
        do {
            return ($0, try Catalog.architecture(named: $0).loadPretrained())
        } catch {
            fatalError("\(error)")
        }
    }

    static let cases = Catalog.fetched.flatMap { name in [(name, 224, 224), (name, 193, 161)] }

    static func network(_ name: String) -> any ImageBackbone { networks.first { $0.name == name }!.network }

    static func golden(_ name: String, _ height: Int, _ width: Int) throws -> NamedTensors {
        try SafetensorsFile(goldenFile("\(name)_\(height)x\(width).safetensors")).tensors
    }

    @Test(arguments: cases)
    func everyTapEqualsPyTorchs(name: String, height: Int, width: Int) throws {
        let network = Self.network(name)
        let golden = try Self.golden(name, height, width)
        let features = network.features(of: Tensor.waves(height, width), reading: Set(network.taps.map(\.name)))
        try Self.check(features, network, against: golden, relative: 1e-4)
    }

    @Test(arguments: cases)
    func theFrozenProgramEqualsPyTorch(name: String, height: Int, width: Int) throws {
        let network = Self.network(name)
        let golden = try Self.golden(name, height, width)
        let frozen = FrozenBackbone(network, for: FeatureRequest(taps: network.taps.map(\.name), vector: true))
        try Self.check(frozen.features(of: Tensor.waves(height, width)), network, against: golden, relative: 1e-4)
        let pooledOnly = FrozenBackbone(network).features(of: Tensor.waves(height, width), workers: 2)
        expectClose(pooledOnly.pooled, golden["pooled"]!, relative: 1e-4, "pooled")
    }

    @Test(arguments: Catalog.fetched)
    func reducedPrecisionKeepsTheDirectionOfTheFeatures(name: String) throws {
        let pooled = try Self.golden(name, 224, 224)["pooled"]!
        let found = FrozenBackbone(Self.network(name), precision: .bfloat16).features(of: Tensor.waves(224, 224)).pooled
        let cosines = (found.l2Normalized() * pooled.l2Normalized()).sum(along: [1]).scalars()
        for cosine in cosines { #expect(cosine > 0.995 && cosine < 1.0001) }
    }

    @Test(arguments: Catalog.fetched)
    func aBatchEqualsItsPicturesOneByOne(name: String) {
        let frozen = FrozenBackbone(Self.network(name))
        var generator = SeededGenerator(seed: 3)
        let pictures = Tensor.uniform(-2..<2, [5, 64, 64, 3], using: &generator)
        let together = frozen.features(of: pictures, workers: 2).pooled
        for index in 0..<5 {
            let alone = frozen.features(of: pictures.slice(index..<index + 1)).pooled
            expectClose(together.slice(index..<index + 1), alone, relative: 1e-5, "picture \(index)")
        }
    }

    @Test(arguments: Catalog.fetched)
    func tapsAreKnownBeforeAnythingRuns(name: String) {
        let network = Self.network(name)
        let features = network.features(of: .zeros([1, 64, 96, 3]), reading: Set(network.taps.map(\.name)))
        #expect(network.taps.map(\.depth) == network.taps.map(\.depth).sorted())
        for tap in network.taps {
            guard case .map(let stride) = tap.kind else { Issue.record("\(tap.name) is no map"); continue }
            #expect(features.taps[tap.name]?.shape == [1, 64 / stride, 96 / stride, tap.channels], "\(tap.name)")
        }
        #expect(features.pooled.shape == [1, network.pooledFeatures])
    }

    @Test func weightsThatDoNotFitAreNamed() throws {
        let file = try WeightsLocation.find("mobilenet_v2.pth")
        do {
            _ = try BackboneSource(file, named: "efficientnet_lite0").open()
            Issue.record("MobileNetV2's weights loaded into EfficientNet")
        } catch let error as WeightMismatch {
            #expect(error.description.contains("features.1.0.block.0.0.weight is missing, expected shape [32, 1, 3, 3]"))
            #expect(error.description.contains("features.1.conv.0.0.weight [32, 1, 3, 3] is left over"))
        }
    }

    private static func check(
        _ features: Features, _ network: any ImageBackbone, against golden: NamedTensors, relative: Float
    ) throws {
        expectClose(features.pooled, golden["pooled"]!, relative: relative, "pooled")
        expectClose(network.logits(features.pooled.slice(1..<2))!, golden["logits"]!, relative: relative, "logits")
        for tap in network.taps {
            let map = try #require(features.taps[tap.name]).slice(1..<2)
            let size = golden["\(tap.name)/size"]!.cast(to: .int64).scalars(as: Int64.self).map(Int.init)
            #expect(map.shape == [1, size[0], size[1], tap.channels])
            func pixel(_ row: Int, _ column: Int) -> Tensor {
                map.slice(row..<row + 1, along: 1).slice(column..<column + 1, along: 2).reshaped(-1)
            }
            expectClose(map.mean(along: [0, 1, 2]), golden["\(tap.name)/mean"]!, relative: relative, "\(tap.name) mean")
            expectClose(
                pixel(size[0] / 3, 2 * size[1] / 3), golden["\(tap.name)/inner"]!, relative: relative, "\(tap.name) inner")
            expectClose(
                pixel(size[0] - 1, size[1] - 1), golden["\(tap.name)/corner"]!, relative: relative, "\(tap.name) corner")
        }
    }
}

/// A file of `Golden/`.
func goldenFile(_ name: String) -> URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
}
