import Foundation
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// Networks as other libraries store them, against what those libraries compute (`Tests/golden/parity.py`).
@Suite struct BackboneParityTests {
    static let names: [String] = {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: goldenFile("parity").path)
                .filter { $0.hasSuffix(".safetensors") }.map { String($0.dropLast(12)) }.sorted()
        } catch { fatalError("\(error)") }
    }()

    @Test(arguments: names)
    func everyTapEqualsTheReference(name: String) throws {
        let reference = try ReferenceNetwork(name)
        let folder = try TemporaryDirectory()
        let opened = try reference.source(in: folder).open()
        try check(opened.network, reference, "eagerly", eagerly)
        try check(opened.network, reference, "as a program", asProgram)
    }

    @Test(arguments: names)
    func writtenInTheLibrarysNamesItIsTheLibrarysCheckpoint(name: String) throws {
        let reference = try ReferenceNetwork(name)
        let folder = try TemporaryDirectory()
        let opened = try reference.source(in: folder).open()
        let dialects = opened.architecture.configuration.dialects + [.own]
        let dialect = try #require(dialects.first { $0.name == opened.dialect })
        let tensors = Dictionary(uniqueKeysWithValues: opened.network.namedTensors.map { ($0.name, $0.tensor) })
        let written = dialect.untranslated(tensors)
        let expected = Dictionary(
            uniqueKeysWithValues: reference.weights.filter { !opened.ignored.contains($0.key) }
                .map { (String(dialect.unprefixed($0.key)), $0.value) })
        #expect(Set(written.keys) == Set(expected.keys))
        for (name, tensor) in expected {
            guard let found = written[name] else { continue }
            #expect(found.shape == tensor.shape, "\(name)")
            #expect(found.scalars() == tensor.scalars(), "\(name)")
        }
        // Nothing is left out but what no network reads.
        for name in opened.ignored { #expect(reference.isComputed(name), "\(name) is ignored") }
    }

    @Test(arguments: names)
    func otherSizesOfPicturesEqualTheReference(name: String) throws {
        let reference = try ReferenceNetwork(name)
        let sizes = reference.golden.names.compactMap { $0.hasPrefix("resized/") ? Int($0.dropFirst(8)) : nil }
        let folder = try TemporaryDirectory()
        let source = try reference.source(in: folder)
        for side in sizes {
            let network = try source.open(forPicturesOf: side).imageBackbone()
            #expect(network.pictureSize == side)
            let features = network.features(of: Tensor.waves(side, side))
            expectClose(features.pooled, reference.golden["resized/\(side)"]!, relative: 1e-4, "\(side) pixels")
        }
    }

    private typealias Run = (_ network: any Backbone, _ input: BackboneInput) -> Features

    private func check(_ network: any Module, _ reference: ReferenceNetwork, _ how: String, _ run: Run) throws {
        let network = try #require(network as? any Backbone)
        let features = run(network, reference.input)
        #expect(features.pooled.shape == [2, network.pooledFeatures])
        expectClose(features.pooled, reference.golden["pooled"]!, relative: 1e-4, "\(how), pooled")
        if let expected = reference.golden["logits"] {
            let pictures = try #require(network as? any ImageBackbone)
            expectClose(try #require(pictures.logits(features.pooled)), expected, relative: 1e-4, "\(how), logits")
        }
        for tap in network.taps {
            var value = features.taps[tap.name]!.slice(1..<2)
            if let count = reference.tokensOfTheSecondText { value = value.slice(0..<count, along: 1) }
            let expected = try #require(reference.golden["\(tap.name)/mean"], "no tap \(tap.name) in the reference")
            #expect(tap.channels == value.shape[value.rank - 1])
            if case .map(let stride) = tap.kind, case .pictures(let pictures) = reference.input {
                let sides = pictures.shape[1...2].map { ($0 + stride - 1) / stride }
                #expect(value.shape == [1] + sides + [tap.channels], "\(tap.name)")
            }
            let mean = value.mean(along: Array(0..<value.rank - 1)).slice(0..<expected.shape[0])
            expectClose(mean, expected, relative: 1e-4, "\(how), \(tap.name)")
        }
    }

    private func eagerly(_ network: any Backbone, _ input: BackboneInput) -> Features {
        network.features(of: input, reading: Set(network.taps.map(\.name)))
    }

    private func asProgram(_ network: any Backbone, _ input: BackboneInput) -> Features {
        FrozenBackbone(network, for: FeatureRequest(taps: network.taps.map(\.name), vector: true)).features(of: input)
    }
}
