import Foundation
import PandoTensor

/// Sentences as vectors: a tokenizer, a network, the pooling that it was trained with, and as a rule length 1.
///
/// - Source: Reimers and Gurevych 2019, Sentence-BERT (arXiv:1908.10084), section 3.
public struct SentenceEncoder: Sendable {
    public let backbone: OpenedTextBackbone
    /// From tokens to pooled vectors.
    private let frozen: FrozenBackbone

    public var tokenizer: Tokenizer { backbone.tokenizer }
    /// Pools as the folder says.
    public var network: any TextBackbone { backbone.network }
    /// Whether vectors have length 1.
    public var normalizes: Bool { backbone.normalizes }
    /// The longest text in tokens; what is longer is cut.
    public var maximumLength: Int { backbone.maximumLength }
    /// A name for exactly this encoder: its weights, its tokenizer's file, and what becomes of its states.
    public var digest: String { backbone.digest }
    /// Length of a sentence's vector.
    public var features: Int { network.pooledFeatures }

    public init(_ backbone: OpenedTextBackbone) {
        self.backbone = backbone
        frozen = FrozenBackbone(backbone.network)
    }

    /// Reads a folder of sentence-transformers, or one of Hugging Face's that holds `config.json`, weights and
    /// `tokenizer.json`: then the mean over the tokens, of length 1.
    ///
    /// - Throws: `BackboneError`, `CheckpointError`, `WeightMismatch` or a tokenizer's error.
    public init(folder: URL) throws { self.init(try TextBackboneSource(folder).open()) }

    /// The vectors of `texts`, in their order, computed on `workers` threads.
    ///
    /// Texts of about the same length run together, so that little is spent on padding; padding changes no result. A text
    /// longer than `maximumLength` is cut.
    /// - Shapes: `N` texts → `[N, C]`.
    public func embeddings(of texts: [String], workers: Int = 1) -> Tensor {
        if texts.isEmpty { return .zeros([0, features]) }
        let tokens = backbone.tokens(of: texts)
        let lengths = tokens.map { TokenTensors.paddedLength($0.count, atMost: maximumLength) }
        let order = tokens.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        let slices = TokenTensors.slices(of: order.map { lengths[$0] }, workers: workers)
        let parts = Parallel.map(slices.count, workers: workers) { slice in
            let indices = order[slices[slice]]
            let input = TokenTensors(indices.map { tokens[$0] }, paddedTo: lengths[indices[indices.startIndex]])
            return frozen.features(of: .texts(input)).pooled
        }
        var place = [Int64](repeating: 0, count: order.count)
        for (position, index) in order.enumerated() { place[index] = Int64(position) }
        let vectors = Tensor.concatenated(parts).gathered(at: Tensor(place))
        return normalizes ? vectors.l2Normalized() : vectors
    }
}
