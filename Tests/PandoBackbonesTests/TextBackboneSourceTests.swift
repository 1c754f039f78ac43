import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// Folders of networks over texts as backbones: sizes before weights, tokens, vectors, and copies.
@Suite struct TextBackboneSourceTests {
    private static let texts = [
        "An aspen.", "A grove of forty thousand trunks on one root system.", "", "Every trunk is a task; the root is one.",
    ]

    private static func miniLM() throws -> TextBackboneSource {
        try TextBackboneSource(WeightsLocation.find("all-MiniLM-L6-v2"))
    }

    @Test func `sizes are known before weights are read`() throws {
        let source = try Self.miniLM()
        #expect(source.taps.map(\.name) == (0...6).map { "layers.\($0)" })
        #expect(source.summaryTaps == ["layers.0", "layers.2", "layers.4"])
        #expect(source.pooledFeatures == 384)
        let opened = try source.open()
        #expect(opened.network.taps == source.taps && opened.network is BERT)
        #expect(opened.architecture.family == "bert" && opened.normalizes)
        #expect(opened.maximumLength <= opened.network.maximumLength)
    }

    @Test func `pooled features are the sentences' vectors before they get length one`() throws {
        let opened = try Self.miniLM().open()
        let features = FrozenBackbone(opened.network).features(of: opened.input(of: Self.texts), workers: 2)
        let encoder = SentenceEncoder(opened)
        expectClose(features.pooled.l2Normalized(), encoder.embeddings(of: Self.texts), relative: 1e-5)
        let lengths = features.pooled.squared().sum(along: [1]).squareRoot().scalars()
        #expect(lengths.allSatisfy { abs($0 - 1) > 0.01 })
    }

    /// MiniLM's `tokenizer.json` says itself where texts are cut.
    @Test func `texts become tokens of few lengths`() throws {
        let opened = try Self.miniLM().open()
        let long = Array(repeating: "aspen", count: 2 * opened.maximumLength).joined(separator: " ")
        let tokens = opened.tokens(of: [long, "aspen"])
        #expect(tokens.map(\.count) == [128, 3])
        guard case .texts(let input) = opened.input(of: ["aspen", "an aspen"]) else { return }
        #expect(input.ids.shape == [2, 8])
        #expect(input.attentionMask.sum(along: [1]).scalars() == [3, 4])
    }

    /// What the files name is all that a copy needs.
    @Test func `a copied folder is the same backbone`() throws {
        let source = try Self.miniLM()
        let copy = try TemporaryDirectory()
        for name in source.files {
            let target = copy.url.appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                at: source.folder.appendingPathComponent(name).resolvingSymlinksInPath(), to: target)
        }
        let (first, second) = (try source.open(), try TextBackboneSource(copy.url).open())
        #expect(first.digest == second.digest)
        #expect(first.maximumLength == second.maximumLength && first.normalizes == second.normalizes)
    }

    @Test func `a backbone written in our own form is the same backbone`() throws {
        let source = try Self.miniLM()
        let folder = try TemporaryDirectory()
        let place = folder.url.appendingPathComponent("text_backbone")
        try BackboneSource(source.folder).open().write(to: place)
        let (first, second) = (try source.open(), try TextBackboneSource(place).open())
        #expect(first.digest == second.digest)
        #expect(first.maximumLength == second.maximumLength && first.normalizes == second.normalizes)
    }

    @Test func `a folder without texts is refused`() throws {
        let folder = try TemporaryDirectory()
        _ = try folder.file("config.json", holding: Array(#"{"model_type": "vit"}"#.utf8))
        let missing = #expect(throws: BackboneError.self) { try TextBackboneSource(folder.url) }
        #expect(missing?.description.contains("tokenizer.json") == true)
        _ = try folder.file("tokenizer.json", holding: Array("{}".utf8))
        let pictures = #expect(throws: BackboneError.self) { try TextBackboneSource(folder.url) }
        #expect(pictures?.description.contains("does not encode texts token by token") == true)
    }
}
