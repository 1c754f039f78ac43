import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Folders of sentence-transformers: what becomes of the states.
@Suite struct SentenceModulesTests {
    /// MiniLM's folder with other modules.
    private func folder(modules: String, pooling: String) throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        let original = try WeightsLocation.find("all-MiniLM-L6-v2")
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            try FileManager.default.createSymbolicLink(
                at: folder.url.appendingPathComponent(name), withDestinationURL: original.appendingPathComponent(name))
        }
        _ = try folder.file("modules.json", holding: Array(modules.utf8))
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent("1_Pooling"), withIntermediateDirectories: true)
        try Data(pooling.utf8).write(to: folder.url.appendingPathComponent("1_Pooling/config.json"))
        return folder
    }

    private func modules(_ types: [String]) -> String {
        let paths = ["", "1_Pooling", "2_Normalize"]
        let entries = zip(types, paths).map { #"{"path": "\#($1)", "type": "sentence_transformers.models.\#($0)"}"# }
        return "[\(entries.joined(separator: ", "))]"
    }

    private static let text = "A red apple on a wooden table."

    /// The last states of the text alone, `[T, C]`.
    private func states(_ encoder: SentenceEncoder) throws -> Tensor {
        let ids = encoder.tokenizer.encode(Self.text).ids.map(Int64.init)
        let network = try #require(encoder.network as? BERT)
        let tokens = Tensor(ids, shape: [1, ids.count])
        return network.states(ids: tokens, attentionMask: .ones(tokens.shape)).last!.element(0)
    }

    @Test func theFirstTokensStateIsTakenAsItIs() throws {
        let folder = try folder(
            modules: modules(["Transformer", "Pooling"]),
            pooling: #"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false, "word_embedding_dimension": 384}"#)
        let encoder = try SentenceEncoder(folder: folder.url)
        #expect(!encoder.normalizes)
        #expect(try TextBackboneSource(folder.url).pooledFeatures == 384)
        let files = try TextBackboneSource(folder.url).files
        #expect(
            files.sorted() == ["1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json"])
        let found = encoder.embeddings(of: [Self.text, "a longer text that is not the same as the first one"])
        expectClose(found.slice(0..<1), try states(encoder).slice(0..<1), relative: 1e-4)
        #expect(encoder.digest != (try SentenceEncoder(folder: WeightsLocation.find("all-MiniLM-L6-v2"))).digest)
    }

    @Test func theLargestOfEachFeatureIsBroughtToLengthOne() throws {
        let folder = try folder(
            modules: modules(["Transformer", "Pooling", "Normalize"]), pooling: #"{"pooling_mode": "max"}"#)
        let encoder = try SentenceEncoder(folder: folder.url)
        let expected = try states(encoder).max(along: 0).reshaped(1, -1).l2Normalized()
        let found = encoder.embeddings(of: [Self.text, "a longer text that is not the same as the first one"])
        expectClose(found.slice(0..<1), expected, relative: 1e-4)
    }

    @Test func aModuleThatIsNotImplementedIsNamed() throws {
        let dense = try folder(modules: modules(["Transformer", "Pooling", "Dense"]), pooling: #"{"pooling_mode": "mean"}"#)
        let error = #expect(throws: BackboneError.self) { try SentenceEncoder(folder: dense.url) }
        #expect(error?.description.contains("'sentence_transformers.models.Dense' is not implemented") == true)
        let weighted = try folder(
            modules: modules(["Transformer", "Pooling"]),
            pooling: #"{"pooling_mode_mean_tokens": true, "pooling_mode_weightedmean_tokens": true}"#)
        let two = #expect(throws: BackboneError.self) { try SentenceEncoder(folder: weighted.url) }
        #expect(two?.description.contains("pooling_mode_weightedmean_tokens") == true)
        let outside = try folder(
            modules: #"[{"path": "../other", "type": "sentence_transformers.models.Transformer"}]"#, pooling: "{}")
        let path = #expect(throws: BackboneError.self) { try SentenceEncoder(folder: outside.url) }
        #expect(path?.description.contains("leaves the folder") == true)
    }

    private static let sizes = #""vocab_size": 30522, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20"#

    @Test(arguments: [
        #"{"model_type": "roberta", "max_position_embeddings": 40, "type_vocab_size": 1, "pad_token_id": 1, \#(sizes)}"#,
        #"{"model_type": "distilbert", "vocab_size": 30522, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 20}"#,
        #"{"model_type": "t5", "vocab_size": 30522, "d_model": 16, "d_kv": 4, "d_ff": 20, "num_layers": 2, "num_heads": 2}"#,
    ])
    func otherNetworksEncodeSentencesToo(configuration: String) throws {
        let folder = try TemporaryDirectory()
        _ = try folder.file("config.json", holding: Array(configuration.utf8))
        let tokenizer = try WeightsLocation.find("all-MiniLM-L6-v2").appendingPathComponent("tokenizer.json")
        try FileManager.default.createSymbolicLink(at: folder.file("tokenizer.json"), withDestinationURL: tokenizer)
        let network = try BackboneSource(folder.url).architecture.makeNetwork(seed: 4)
        let weights = Dictionary(uniqueKeysWithValues: network.namedTensors.map { ($0.name, $0.tensor) })
        try SafetensorsFile.write(weights, to: folder.file("model.safetensors"))
        let encoder = try SentenceEncoder(folder: folder.url)
        let texts = [Self.text, "one", "two words", Array(repeating: "many", count: 60).joined(separator: " ")]
        let found = encoder.embeddings(of: texts, workers: 2)
        #expect(found.shape == [4, 16])
        for (index, text) in texts.enumerated() {
            let ids = encoder.tokenizer.encode(text).ids.prefix(encoder.maximumLength).map(Int64.init)
            let tokens = Tensor(ids, shape: [1, ids.count])
            let features = encoder.network.features(of: TokenTensors(ids: tokens, attentionMask: .ones(tokens.shape)))
            expectClose(found.slice(index..<index + 1), features.pooled.l2Normalized(), relative: 1e-4, text)
        }
    }
}
