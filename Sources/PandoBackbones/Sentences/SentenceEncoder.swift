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
    private let frozen: FrozenBackbone

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
        frozen = FrozenBackbone(network)
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
        let lengths = encodings.map { TokenTensors.paddedLength($0.ids.count, atMost: maximumLength) }
        let order = encodings.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        let slices = TokenTensors.slices(of: order.map { lengths[$0] }, workers: workers)
        let parts = Parallel.map(slices.count, workers: workers) { slice in
            let indices = order[slices[slice]]
            return embeddings(
                of: indices.map { encodings[$0].ids }, length: lengths[indices[indices.startIndex]])
        }
        var place = [Int64](repeating: 0, count: order.count)
        for (position, index) in order.enumerated() { place[index] = Int64(position) }
        return Tensor.concatenated(parts).gathered(at: Tensor(place))
    }

    private func embeddings(of texts: [[Int32]], length: Int) -> Tensor {
        let pooled = frozen.features(of: .texts(TokenTensors(texts, paddedTo: length))).pooled
        return normalizes ? pooled.l2Normalized() : pooled
    }
}
