import Foundation
import PandoData
import PandoNN
import PandoTensor

/// A folder of Hugging Face's that does not hold a sentence encoder we can run.
public struct SentenceEncoderError: Error, CustomStringConvertible, Sendable {
    public let folder: String
    public let problem: String

    public var description: String { "\(folder): \(problem)" }
}

/// Sentences as vectors: a tokenizer, a BERT encoder, the mean over the tokens, and length 1.
///
/// - Source: Reimers and Gurevych 2019, Sentence-BERT (arXiv:1908.10084), section 3, mean pooling.
public struct SentenceEncoder: Sendable {
    public let tokenizer: Tokenizer
    public let network: BERT

    /// Texts that one thread encodes at once.
    static let sliceSize = 32

    /// A name for exactly this encoder: its weights and its tokenizer's file.
    public let digest: String

    /// Length of a sentence's vector.
    public var features: Int { network.configuration.hiddenSize }

    /// Reads `config.json`, `tokenizer.json` and `model.safetensors`.
    ///
    /// - Throws: `SentenceEncoderError`, `CheckpointError`, `WeightMismatch` or a tokenizer's error.
    public init(folder: URL) throws {
        let configurationFile = folder.appendingPathComponent("config.json")
        struct Kind: Decodable { let model_type: String }
        let configuration: BERTConfiguration
        do {
            let data = try Data(contentsOf: configurationFile)
            let kind = try JSONDecoder().decode(Kind.self, from: data).model_type
            guard kind == "bert" else {
                throw SentenceEncoderError(
                    folder: folder.path, problem: "config.json names the network '\(kind)'; expected 'bert'")
            }
            configuration = try JSONDecoder().decode(BERTConfiguration.self, from: data)
        } catch let error as SentenceEncoderError {
            throw error
        } catch {
            throw SentenceEncoderError(folder: folder.path, problem: "config.json cannot be used: \(error)")
        }
        try configuration.check(in: folder.path)
        let tokenizerFile = folder.appendingPathComponent("tokenizer.json")
        var tokenizer = try Tokenizer(tokenizerFile)
        tokenizer.padding = nil  // each slice is padded to its own longest text
        self.tokenizer = tokenizer
        let file = folder.appendingPathComponent("model.safetensors")
        var network = BERT(configuration)
        try network.load(weights(in: file), from: file.path) { $0 == "embeddings.position_ids" }
        self.network = network
        digest = try FileDigest.of(Data((network.weightsDigest + FileDigest.ofFile(tokenizerFile)).utf8))
    }

    /// The vectors of `texts`, in their order, computed on `workers` threads.
    ///
    /// Texts of about the same length run together, so that little is spent on padding; padding changes no result.
    /// - Shapes: `N` texts → `[N, C]`, each row of length 1.
    public func embeddings(of texts: [String], workers: Int = 1) -> Tensor {
        if texts.isEmpty { return .zeros([0, features]) }
        let encodings = texts.map { tokenizer.encode($0) }
        let order = encodings.indices.sorted { (encodings[$0].ids.count, $0) < (encodings[$1].ids.count, $1) }
        let slices = (order.count + Self.sliceSize - 1) / Self.sliceSize
        let parts = Parallel.map(slices, workers: workers) { slice in
            let rows = order[slice * Self.sliceSize..<min(order.count, (slice + 1) * Self.sliceSize)]
            return embeddings(of: rows.map { encodings[$0].ids.map(Int64.init) })
        }
        var place = [Int64](repeating: 0, count: order.count)
        for (position, index) in order.enumerated() { place[index] = Int64(position) }
        return Tensor.concatenated(parts).gathered(at: Tensor(place))
    }

    private func embeddings(of rows: [[Int64]]) -> Tensor {
        let length = min(rows.map(\.count).max() ?? 0, network.configuration.maximumPositions)
        var ids: [Int64] = []
        var mask: [Float] = []
        for row in rows {
            let kept = row.prefix(length)
            ids += kept + Array(repeating: 0, count: length - kept.count)
            mask += Array(repeating: 1, count: kept.count) + Array(repeating: 0, count: length - kept.count)
        }
        let tokens = Tensor(ids, shape: [rows.count, length])
        let present = Tensor(mask, shape: [rows.count, length])
        let states = network.states(ids: tokens, attentionMask: present).last!
        let weights = present.expanded(at: 2)  // [N, T, 1]
        let mean = (states * weights).sum(along: [1]) / weights.sum(along: [1]).clamped(1e-9, .infinity)
        return mean.l2Normalized()
    }
}

extension BERTConfiguration {
    /// Sizes that no network can have are refused before anything is allocated.
    func check(in folder: String) throws(SentenceEncoderError) {
        let sizes = [
            vocabularySize, hiddenSize, layerCount, headCount, intermediateSize, maximumPositions, typeVocabularySize,
        ]
        guard sizes.allSatisfy({ (1...10_000_000).contains($0) }), hiddenSize <= 65536, intermediateSize <= 262_144,
            layerCount <= 1024, hiddenSize % headCount == 0
        else {
            throw SentenceEncoderError(
                folder: folder,
                problem: "config.json gives sizes that no BERT has, or a hidden_size that the heads do not divide: \(self)")
        }
    }
}
