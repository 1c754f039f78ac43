import Foundation
import PandoBackbones
import PandoTensor
import PandoTestSupport
import Testing

/// all-MiniLM-L6-v2 with its real weights against transformers (`Tests/golden/sentences.py`).
@Suite struct SentenceEncoderTests {
    struct Golden: Decodable {
        struct Row: Decodable {
            let text: String
            let ids: [Int32]
        }
        let texts: [Row]
    }

    static let encoder: SentenceEncoder = {
        do {
            return try SentenceEncoder(folder: WeightsLocation.find("all-MiniLM-L6-v2"))
        } catch {
            fatalError("\(error)")
        }
    }()

    static var network: BERT { encoder.network as! BERT }

    static let rows: [Golden.Row] = {
        do {
            return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: goldenFile("sentences.json"))).texts
        } catch {
            fatalError("\(error)")
        }
    }()

    static let values: NamedTensors = {
        do {
            return try SafetensorsFile(goldenFile("sentences.safetensors")).tensors
        } catch {
            fatalError("\(error)")
        }
    }()

    @Test func tokenNumbersEqualTheReferences() {
        for row in Self.rows { #expect(Self.encoder.tokenizer.encode(row.text).ids == row.ids, "\(row.text.prefix(40))") }
    }

    @Test func embeddingsEqualTransformersWhateverTheyAreBatchedWith() {
        let texts = Self.rows.map(\.text)
        expectClose(Self.encoder.embeddings(of: texts), Self.values["embeddings"]!, relative: 1e-4, "one batch")
        expectClose(Self.encoder.embeddings(of: texts, workers: 2), Self.values["embeddings"]!, relative: 1e-4, "two workers")
        for (index, text) in texts.enumerated() {
            expectClose(
                Self.encoder.embeddings(of: [text]), Self.values["embeddings"]!.slice(index..<index + 1), relative: 1e-4,
                "text \(index) alone")
        }
    }

    @Test func everyLayerEqualsTransformers() {
        for (index, row) in Self.rows.enumerated() {
            let ids = Tensor(row.ids.map(Int64.init), shape: [1, row.ids.count])
            let states = Self.network.states(ids: ids, attentionMask: .ones(ids.shape))
            #expect(states.count == Self.encoder.network.taps.count)
            for (layer, state) in states.enumerated() {
                func token(_ position: Int) -> Tensor { state.slice(position..<position + 1, along: 1).reshaped(-1).slice(0..<16) }
                let name = "layers.\(layer)"
                expectClose(
                    token(0), Self.values["\(name)/first"]!.slice(index..<index + 1).reshaped(-1), relative: 1e-4,
                    "\(name) first, text \(index)")
                expectClose(
                    token(row.ids.count - 1), Self.values["\(name)/last"]!.slice(index..<index + 1).reshaped(-1),
                    relative: 1e-4, "\(name) last, text \(index)")
            }
        }
    }

    /// Texts of many lengths, padded to few, in slices of few sizes.
    @Test func programsEqualTheEagerPass() {
        let texts = (1...30).map { count in (0..<count * 3).map { "word\($0 % 7)" }.joined(separator: " ") }
        let found = Self.encoder.embeddings(of: texts, workers: 2)
        for index in stride(from: 0, to: texts.count, by: 6) {
            let ids = Self.encoder.tokenizer.encode(texts[index]).ids.map(Int64.init)
            let tokens = Tensor(ids, shape: [1, ids.count])
            let states = Self.network.states(ids: tokens, attentionMask: .ones(tokens.shape)).last!
            expectClose(
                found.slice(index..<index + 1), states.mean(along: [1]).l2Normalized(), relative: 1e-4,
                "\(ids.count) tokens")
        }
    }

    @Test func noTextsHaveNoEmbeddings() {
        #expect(Self.encoder.embeddings(of: []).shape == [0, 384])
    }

    @Test func aConfigurationOfAnotherNetworkIsRefused() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(#"{"model_type": "gpt2"}"#.utf8).write(to: folder.appendingPathComponent("config.json"))
        let error = #expect(throws: BackboneError.self) { try SentenceEncoder(folder: folder) }
        #expect(error?.description.contains("'gpt2'") == true)
    }
}
