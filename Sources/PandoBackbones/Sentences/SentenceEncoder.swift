import Foundation
import PandoData
import PandoNN
import PandoTensor

/// Sentences as vectors: a tokenizer, a network, the pooling that it was trained with, and as a rule length 1.
///
/// - Source: Reimers and Gurevych 2019, Sentence-BERT (arXiv:1908.10084), section 3.
public struct SentenceEncoder: Sendable {
    public let tokenizer: Tokenizer
    /// Pools as the folder says.
    public let network: any TextBackbone
    /// Whether vectors have length 1.
    public let normalizes: Bool
    /// The longest text in tokens; what is longer is cut.
    public let maximumLength: Int
    /// From token ids and attention mask to the pooled vectors.
    private let programs: ProgramCache

    /// Tokens, padding included, that one thread encodes at once: about as much as stays in cache.
    static let sliceTokens = 1024

    /// A name for exactly this encoder: its weights, its tokenizer's file, and what becomes of its states.
    public let digest: String

    /// Length of a sentence's vector.
    public var features: Int { network.pooledFeatures }

    /// Reads a folder of sentence-transformers, or one of Hugging Face's that holds `config.json`, weights and
    /// `tokenizer.json`: then the mean over the tokens, of length 1.
    ///
    /// - Throws: `BackboneError`, `CheckpointError`, `WeightMismatch` or a tokenizer's error.
    public init(folder: URL) throws {
        let modules = try SentenceModules(folder: folder)
        let opened = try BackboneSource(modules.network).open()
        guard let found = opened.network as? any PoolingTextBackbone else {
            throw BackboneError(folder.path, "a \(opened.architecture.name) does not encode texts token by token")
        }
        guard let network = found.pooling(by: modules.pooling) else {
            throw BackboneError(folder.path, "a \(opened.architecture.name) cannot pool by '\(modules.pooling.rawValue)'")
        }
        guard let tokenizerPath = modules.tokenizerPath else {
            throw BackboneError(folder.path, "holds no tokenizer.json, which turns texts into tokens")
        }
        let tokenizerFile = folder.appendingPathComponent(tokenizerPath)
        var tokenizer = try Tokenizer(tokenizerFile)
        tokenizer.padding = nil  // each slice is padded to its own longest text
        self.tokenizer = tokenizer
        self.network = network
        normalizes = modules.normalizes
        maximumLength = min(network.maximumLength, modules.maximumLength ?? .max)
        programs = ProgramCache { [network] in
            [network.features(of: TokenTensors(ids: $0[0], attentionMask: $0[1])).pooled]
        }
        let parts = "\(network.weightsDigest)\(try FileDigest.ofFile(tokenizerFile))"
        // As it was before there was anything to choose, for stores of features that were made then.
        let isUsual = modules.pooling == .mean && normalizes
        digest = FileDigest.of(Data((isUsual ? parts : "\(parts) \(modules.pooling.rawValue) \(normalizes)").utf8))
    }

    /// The files that an encoder is read from, by their paths in `folder`: what a copy of it needs.
    ///
    /// - Throws: `BackboneError` if something is missing or `modules.json` names what is not implemented.
    public static func files(of folder: URL) throws -> [String] {
        let modules = try SentenceModules(folder: folder)
        guard let tokenizer = modules.tokenizerPath else {
            throw BackboneError(folder.path, "holds no tokenizer.json, which turns texts into tokens")
        }
        let beside = try ["config.json"] + WeightFiles.names(in: modules.network)
        return modules.files + [tokenizer] + beside.map { SentenceModules.path($0, in: modules.networkPath) }
    }

    /// Length of a sentence's vector, told without reading the weights.
    ///
    /// - Throws: `BackboneError`.
    public static func features(of folder: URL) throws -> Int {
        let architecture = try BackboneSource(SentenceModules(folder: folder).network).architecture
        guard architecture.image == nil, let network = architecture.blankNetwork as? any TextBackbone else {
            throw BackboneError(folder.path, "a \(architecture.name) does not encode texts")
        }
        return network.pooledFeatures
    }

    /// The vectors of `texts`, in their order, computed on `workers` threads.
    ///
    /// Texts of about the same length run together, so that little is spent on padding; padding changes no result. A text
    /// longer than `maximumLength` is cut.
    /// - Shapes: `N` texts → `[N, C]`.
    public func embeddings(of texts: [String], workers: Int = 1) -> Tensor {
        if texts.isEmpty { return .zeros([0, features]) }
        let encodings = texts.map { tokenizer.encode($0) }
        let lengths = encodings.map { Self.paddedLength($0.ids.count, atMost: maximumLength) }
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
        let pooled = programs([tokens, present])[0]
        return normalizes ? pooled.l2Normalized() : pooled
    }
}
