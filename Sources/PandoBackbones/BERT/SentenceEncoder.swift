import Foundation
import PandoData
import PandoNN
import PandoTensor

/// Sentences as vectors: a tokenizer, a BERT encoder, the mean over the tokens, and length 1.
///
/// - Source: Reimers and Gurevych 2019, Sentence-BERT (arXiv:1908.10084), section 3, mean pooling.
public struct SentenceEncoder: Sendable {
    public let tokenizer: Tokenizer
    public let network: BERT
    /// From token ids and attention mask to the last layer's states.
    private let programs: ProgramCache

    /// Tokens, padding included, that one thread encodes at once: about as much as stays in cache.
    static let sliceTokens = 1024

    /// A name for exactly this encoder: its weights and its tokenizer's file.
    public let digest: String

    /// Length of a sentence's vector.
    public var features: Int { network.configuration.hiddenSize }

    /// Reads `config.json`, `tokenizer.json` and the weights.
    ///
    /// - Throws: `BackboneError`, `CheckpointError`, `WeightMismatch` or a tokenizer's error.
    public init(folder: URL) throws {
        let source = try BackboneSource(folder)
        guard source.architecture.configuration is BERTConfiguration else {
            throw BackboneError(
                folder.path, "config.json names the network '\(source.architecture.name)'; expected 'bert'")
        }
        let opened = try source.open()
        guard let network = opened.network as? BERT, let tokenizerFile = opened.tokenizerFile else {
            throw BackboneError(folder.path, "holds no tokenizer.json, which turns texts into tokens")
        }
        var tokenizer = try Tokenizer(tokenizerFile)
        tokenizer.padding = nil  // each slice is padded to its own longest text
        self.tokenizer = tokenizer
        self.network = network
        programs = ProgramCache { [network] in [network.states(ids: $0[0], attentionMask: $0[1]).last!] }
        digest = try FileDigest.of(Data((network.weightsDigest + FileDigest.ofFile(tokenizerFile)).utf8))
    }

    /// The vectors of `texts`, in their order, computed on `workers` threads.
    ///
    /// Texts of about the same length run together, so that little is spent on padding; padding changes no result. A text
    /// longer than the network has positions is cut.
    /// - Shapes: `N` texts → `[N, C]`, each row of length 1.
    public func embeddings(of texts: [String], workers: Int = 1) -> Tensor {
        if texts.isEmpty { return .zeros([0, features]) }
        let encodings = texts.map { tokenizer.encode($0) }
        let lengths = encodings.map { Self.paddedLength($0.ids.count, atMost: network.configuration.maximumPositions) }
        let order = encodings.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        let slices = Self.slices(of: order.map { lengths[$0] }, workers: workers)
        let parts = Parallel.map(slices.count, workers: workers) { slice in
            let indices = order[slices[slice]]
            return embeddings(
                of: indices.map { encodings[$0].ids.map(Int64.init) }, length: lengths[indices[indices.startIndex]])
        }
        var place = [Int64](repeating: 0, count: order.count)
        for (position, index) in order.enumerated() { place[index] = Int64(position) }
        return Tensor.concatenated(parts).gathered(at: Tensor(place))
    }

    /// One of few lengths, so that few programs are compiled: an eighth longer at most, from 64 tokens on.
    static func paddedLength(_ count: Int, atMost limit: Int) -> Int {
        var step = 8
        while count > 8 * step { step *= 2 }
        return min(max(count + step - 1, step) / step * step, limit)
    }

    /// Ranges of texts of one length each, of sizes that are powers of two, at least one for each worker if there are
    /// texts enough.
    ///
    /// - Parameter lengths: of the texts, in ascending order.
    static func slices(of lengths: [Int], workers: Int) -> [Range<Int>] {
        var slices: [Range<Int>] = []
        var start = 0
        while start < lengths.count {
            let end = lengths[start...].firstIndex { $0 != lengths[start] } ?? lengths.count
            let share = (end - start + workers - 1) / workers
            var size = 1
            while size * 2 <= min(share, sliceTokens / lengths[start]) { size *= 2 }
            while start < end {
                while size > end - start { size /= 2 }
                slices.append(start..<start + size)
                start += size
            }
        }
        return slices
    }

    private func embeddings(of rows: [[Int64]], length: Int) -> Tensor {
        var ids: [Int64] = []
        var mask: [Float] = []
        for row in rows {
            let kept = row.prefix(length)
            ids += kept + Array(repeating: 0, count: length - kept.count)
            mask += Array(repeating: 1, count: kept.count) + Array(repeating: 0, count: length - kept.count)
        }
        let tokens = Tensor(ids, shape: [rows.count, length])
        let present = Tensor(mask, shape: [rows.count, length])
        let states = programs([tokens, present])[0]
        let weights = present.expanded(at: 2)  // [N, T, 1]
        let mean = (states * weights).sum(along: [1]) / weights.sum(along: [1]).clamped(1e-9, .infinity)
        return mean.l2Normalized()
    }
}
