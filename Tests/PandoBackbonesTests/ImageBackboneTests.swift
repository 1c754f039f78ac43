import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// The picture backbones with their real weights against PyTorch's features (`Tests/golden/backbones.py`).
@Suite struct ImageBackboneTests {
    static let networks: [(kind: ImageBackboneKind, network: any ImageBackbone)] = ImageBackboneKind.fetched.map {
        do {
            return ($0, try $0.loadPretrained())
        } catch {
            fatalError("\(error)")
        }
    }

    static let cases = ImageBackboneKind.fetched.flatMap { kind in [(kind, 224, 224), (kind, 193, 161)] }

    static func network(_ kind: ImageBackboneKind) -> any ImageBackbone { networks.first { $0.kind == kind }!.network }

    /// Two pictures that both sides compute: `sin(0.013 i) + sin(0.00037 i)`.
    static func waves(_ height: Int, _ width: Int) -> Tensor {
        let values = (0..<2 * height * width * 3).map { index in
            Float(sin(0.013 * Double(index)) + sin(0.00037 * Double(index)))
        }
        return Tensor(values, shape: [2, height, width, 3])
    }

    static func golden(_ kind: ImageBackboneKind, _ height: Int, _ width: Int) throws -> NamedTensors {
        try SafetensorsFile(goldenFile("\(kind.rawValue)_\(height)x\(width).safetensors")).tensors
    }

    @Test(arguments: cases)
    func everyTapEqualsPyTorchs(kind: ImageBackboneKind, height: Int, width: Int) throws {
        let network = Self.network(kind)
        let golden = try Self.golden(kind, height, width)
        let features = network.features(of: Self.waves(height, width), reading: Set(network.taps.map(\.name)))
        try Self.check(features, network, against: golden, relative: 1e-4)
    }

    @Test(arguments: cases)
    func theFrozenProgramEqualsPyTorch(kind: ImageBackboneKind, height: Int, width: Int) throws {
        let network = Self.network(kind)
        let golden = try Self.golden(kind, height, width)
        let frozen = FrozenBackbone(network, reading: Set(network.taps.map(\.name)))
        try Self.check(frozen.features(of: Self.waves(height, width)), network, against: golden, relative: 1e-4)
        let pooledOnly = FrozenBackbone(network).features(of: Self.waves(height, width), workers: 2)
        expectClose(pooledOnly.pooled, golden["pooled"]!, relative: 1e-4, "pooled")
    }

    @Test(arguments: ImageBackboneKind.fetched)
    func reducedPrecisionKeepsTheDirectionOfTheFeatures(kind: ImageBackboneKind) throws {
        let pooled = try Self.golden(kind, 224, 224)["pooled"]!
        let found = FrozenBackbone(Self.network(kind), precision: .bfloat16).features(of: Self.waves(224, 224)).pooled
        let cosines = (found.l2Normalized() * pooled.l2Normalized()).sum(along: [1]).scalars()
        for cosine in cosines { #expect(cosine > 0.995 && cosine < 1.0001) }
    }

    @Test(arguments: ImageBackboneKind.fetched)
    func aBatchEqualsItsPicturesOneByOne(kind: ImageBackboneKind) {
        let frozen = FrozenBackbone(Self.network(kind))
        var generator = SeededGenerator(seed: 3)
        let pictures = Tensor.uniform(-2..<2, [5, 64, 64, 3], using: &generator)
        let together = frozen.features(of: pictures, workers: 2).pooled
        for index in 0..<5 {
            let alone = frozen.features(of: pictures.slice(index..<index + 1)).pooled
            expectClose(together.slice(index..<index + 1), alone, relative: 1e-5, "picture \(index)")
        }
    }

    @Test(arguments: ImageBackboneKind.fetched)
    func tapsAreKnownBeforeAnythingRuns(kind: ImageBackboneKind) {
        let network = Self.network(kind)
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
            _ = try ImageBackboneKind.efficientNetLite0.load(file)
            Issue.record("MobileNetV2's weights loaded into EfficientNet")
        } catch let error as WeightMismatch {
            #expect(error.description.contains("_conv_stem.weight is missing, expected shape [32, 3, 3, 3]"))
            #expect(error.description.contains("features.0.0.weight [32, 3, 3, 3] is left over"))
        }
    }

    private static func check(
        _ features: Features, _ network: any ImageBackbone, against golden: NamedTensors, relative: Float
    ) throws {
        expectClose(features.pooled, golden["pooled"]!, relative: relative, "pooled")
        expectClose(network.logits(features.pooled.slice(1..<2)), golden["logits"]!, relative: relative, "logits")
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
