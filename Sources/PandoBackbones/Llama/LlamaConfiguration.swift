import Glibc
import PandoNN
import PandoTensor

/// The sizes and parts of a Llama-style decoder.
public struct LlamaConfiguration: Sendable, Hashable, Codable {
    /// How rotations were slowed down for texts longer than in pretraining.
    public enum PositionScaling: Sendable, Hashable, Codable {
        case none
        /// All by one factor (Chen et al. 2023, arXiv:2306.15595).
        case linear(factor: Double)
        /// Slow rotations by a factor, fast ones not at all, those between in part: Llama 3.1's.
        case llama3(factor: Double, slow: Double, fast: Double, pretrainedLength: Int)
    }

    public var vocabularySize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    public var headCount: Int
    /// Heads of keys and values; each serves as many query heads as follow one another.
    public var keyHeadCount: Int
    public var headSize: Int
    public var intermediateSize: Int
    public var maximumLength: Int
    public var activation = NamedActivation.silu
    public var epsilon: Float = 1e-6
    public var rotationBase = 10_000.0
    public var scaling = PositionScaling.none
    /// Whether queries, keys and values have biases.
    public var hasProjectionBias = false
    /// Whether attention's last layer has one.
    public var hasOutputBias = false
    public var hasPerceptronBias = false
    /// Whether the next token is told by the table of tokens, without weights of its own.
    public var tiesEmbeddings = false
    /// The tokens that end a text.
    public var ends: [Int] = []

    public init(
        vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int, keyHeadCount: Int, headSize: Int,
        intermediateSize: Int, maximumLength: Int
    ) {
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyHeadCount = keyHeadCount
        self.headSize = headSize
        self.intermediateSize = intermediateSize
        self.maximumLength = maximumLength
    }

    /// How far each pair of a head's features turns from one token to the next, in radians.
    var rotations: [Double] {
        (0..<headSize / 2).map { pair in
            let plain = pow(rotationBase, -2 * Double(pair) / Double(headSize))
            switch scaling {
            case .none: return plain
            case .linear(let factor): return plain / factor
            case .llama3(let factor, let slow, let fast, let length):
                // Turns within a text of the pretraining's length.
                let turns = Double(length) * plain / (2 * .pi)
                let share = min(max((turns - slow) / (fast - slow), 0), 1)
                return (1 - share) * plain / factor + share * plain
            }
        }
    }
}
