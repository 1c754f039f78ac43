import PandoNN
import PandoTensor

/// What stands for a text: how the states of its tokens, padding left out, become one vector.
public enum TextPooling: String, Sendable, Hashable, Codable {
    case mean, max
    /// The first token's state.
    case first
    /// The first token's state through BERT's pooler, a linear layer and tanh.
    case pooler
}

/// The sizes and parts of BERT or one of its kin.
public struct BERTConfiguration: Sendable, Codable, Hashable {
    public var vocabularySize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    public var headCount: Int
    public var intermediateSize: Int
    /// Rows of the table of positions.
    public var maximumPositions: Int
    /// The row of a text's first token: RoBERTa's follow the number of its padding token.
    public var firstPosition = 0
    /// 0 where tokens have no types.
    public var typeVocabularySize = 2
    public var activation = NamedActivation.gelu
    public var epsilon: Float = 1e-12
    public var hasPooler = true
    public var pooling = TextPooling.mean

    public init(
        vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int, intermediateSize: Int,
        maximumPositions: Int
    ) {
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.intermediateSize = intermediateSize
        self.maximumPositions = maximumPositions
    }

    /// all-MiniLM-L6-v2.
    public static let miniLM = BERTConfiguration(
        vocabularySize: 30522, hiddenSize: 384, layerCount: 6, headCount: 12, intermediateSize: 1536,
        maximumPositions: 512)
}
