import PandoNN
import PandoTensor

/// The sizes of the half for texts of CLIP or SigLIP.
public struct TextTransformerConfiguration: Sendable, Hashable, Codable {
    /// Which token stands for a text.
    public enum Pooling: String, Sendable, Hashable, Codable {
        /// The first with the number `endOfText`; the first of all where there is none.
        case endOfText
        /// The first with the highest number, as in CLIP's earliest checkpoints.
        case highest
        /// The last, padding or not.
        case last
    }

    public var vocabularySize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    public var headCount: Int
    public var intermediateSize: Int
    public var maximumLength: Int
    public var activation: NamedActivation
    public var epsilon: Float
    /// Whether a token sees only those before it.
    public var isCausal: Bool
    /// Whether padding is a token like others, as SigLIP was trained.
    public var seesPadding: Bool
    public var pooling: Pooling
    public var endOfText: Int
    /// Length of the pooled vector, where a last layer changes or keeps it; `nil` without that layer.
    public var outputSize: Int?

    public init(
        vocabularySize: Int, hiddenSize: Int, layerCount: Int = 12, headCount: Int, intermediateSize: Int? = nil,
        maximumLength: Int = 77, activation: NamedActivation = .gelu, epsilon: Float = 1e-5, isCausal: Bool = true,
        seesPadding: Bool = false, pooling: Pooling = .endOfText, endOfText: Int = 49407, outputSize: Int? = nil
    ) {
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.intermediateSize = intermediateSize ?? 4 * hiddenSize
        self.maximumLength = maximumLength
        self.activation = activation
        self.epsilon = epsilon
        self.isCausal = isCausal
        self.seesPadding = seesPadding
        self.pooling = pooling
        self.endOfText = endOfText
        self.outputSize = outputSize
    }

    var blockSizes: TransformerBlockSizes {
        TransformerBlockSizes(
            features: hiddenSize, headCount: headCount, intermediateSize: intermediateSize, activation: activation,
            epsilon: epsilon)
    }
}

/// The half for texts of CLIP or SigLIP: pre-norm blocks, and the state of one token for the text.
///
/// - Shapes: `[N, T]` → pooled `[N, C]`; taps `blocks.0` to `blocks.n` of `[N, T, C]`.
/// - Source: Radford et al. 2021 (arXiv:2103.00020), section 2.4; Zhai et al. 2023 (arXiv:2303.15343), section 4.
public struct TextTransformer: TextBackbone, BlockwiseBackbone {
    var words: Embedding
    var positions: Embedding
    var blocks: [TransformerBlock]
    var norm: LayerNorm
    var output: Linear?
    public let configuration: TextTransformerConfiguration

    /// The network with weights of the right shapes, to be loaded or initialised.
    /// - Precondition: `configuration` has no problems.
    public init(_ configuration: TextTransformerConfiguration) {
        require(configuration.problems.isEmpty, "TextTransformer: \(configuration.problems.joined(separator: "; "))")
        let size = configuration.hiddenSize
        words = Embedding(rows: configuration.vocabularySize, features: size)
        positions = Embedding(rows: configuration.maximumLength, features: size)
        blocks = (0..<configuration.layerCount).map { _ in TransformerBlock(configuration.blockSizes) }
        norm = LayerNorm(size, epsilon: configuration.epsilon)
        if let width = configuration.outputSize { output = .blank(size, width) }
        self.configuration = configuration
    }

    public var pooledFeatures: Int { configuration.outputSize ?? configuration.hiddenSize }
    public var maximumLength: Int { configuration.maximumLength }

    public var taps: [Tap] {
        blocks.indices.map {
            Tap(name: "blocks.\($0)", depth: $0 + 1, channels: configuration.hiddenSize, kind: .tokens)
        }
    }

    public func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor {
        let texts = input.texts(for: self)
        let length = texts.ids.shape[1]
        require(
            (1...maximumLength).contains(length), "TextTransformer: \(length) tokens, expected 1...\(maximumLength)")
        return words(texts.ids) + positions.weight.slice(0..<length)
    }

    public func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        let hidden = configuration.seesPadding ? nil : mask.map(TokenTensors.addedToScores)
        return blocks[index](state, mask: hidden, isCausal: configuration.isCausal)
    }

    /// Where a certain token stands for the text, it counts and what follows it does not: it is the last that counts.
    public func mask(of input: BackboneInput) -> Tensor? {
        let texts = input.texts(for: self)
        let standing: Tensor  // [N, T], 1 at the token that stands for the text
        switch configuration.pooling {
        case .last: return texts.attentionMask.cast(to: .float32)
        case .highest: standing = texts.ids.firstLargest().cast(to: .float32)
        case .endOfText: standing = (texts.ids .== Float(configuration.endOfText)).firstLargest().cast(to: .float32)
        }
        let length = texts.ids.shape[1]
        let upTo = (0..<length).flatMap { last in (0..<length).map { $0 <= last ? Float(1) : 0 } }
        let before = matmul(standing, Tensor(upTo, shape: [length, length])) - standing
        return before * texts.attentionMask.cast(to: .float32) + standing
    }

    public func pooled(_ last: Tensor, mask: Tensor?) -> Tensor {
        let length = last.shape[1]
        let state: Tensor  // [N, C], of the token that stands for the text
        if configuration.pooling != .last, let mask {
            state = last.picked(mask * Tensor((1...length).map { Float($0) }))
        } else {
            state = last.element(length - 1, along: 1)
        }
        let normalized = norm(state)
        return output?(normalized) ?? normalized
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("token_embed", &words)
        visitor.module("pos_embed", &positions)
        visitor.modules("blocks", &blocks)
        visitor.module("norm", &norm)
        visitor.module("head", &output)
    }
}

extension Tensor {
    /// Of each text `[N, T, C]` the token where `scores` `[N, T]` are highest, the first of equals.
    fileprivate func picked(_ scores: Tensor) -> Tensor {
        (self * scores.firstLargest().expanded(at: 2).cast(to: elementType)).sum(along: [1])
    }
}
