import PandoNN
import PandoTensor

/// The sizes of a BERT encoder, as `config.json` gives them.
public struct BERTConfiguration: Sendable, Codable, Hashable {
    public var vocabularySize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    public var headCount: Int
    public var intermediateSize: Int
    public var maximumPositions: Int
    public var typeVocabularySize: Int
    public var epsilon: Float

    enum CodingKeys: String, CodingKey {
        case vocabularySize = "vocab_size"
        case hiddenSize = "hidden_size"
        case layerCount = "num_hidden_layers"
        case headCount = "num_attention_heads"
        case intermediateSize = "intermediate_size"
        case maximumPositions = "max_position_embeddings"
        case typeVocabularySize = "type_vocab_size"
        case epsilon = "layer_norm_eps"
    }

    /// all-MiniLM-L6-v2.
    public static let miniLM = BERTConfiguration(
        vocabularySize: 30522, hiddenSize: 384, layerCount: 6, headCount: 12, intermediateSize: 1536,
        maximumPositions: 512, typeVocabularySize: 2, epsilon: 1e-12)
}

/// A BERT encoder of text, under Hugging Face's names; MiniLM is one.
///
/// - Shapes: token ids `[N, T]` → states `[N, T, C]`.
/// - Source: Devlin et al. 2019 (arXiv:1810.04805), section 3; post-norm, exact GELU.
public struct BERT: Module {
    var words, positions, types: Embedding
    var norm: LayerNorm
    var layers: [BERTLayer]
    var pooler: Linear
    public let configuration: BERTConfiguration

    /// The network with weights of the right shapes, to be loaded.
    public init(_ configuration: BERTConfiguration) {
        let size = configuration.hiddenSize
        words = Embedding(rows: configuration.vocabularySize, features: size)
        positions = Embedding(rows: configuration.maximumPositions, features: size)
        types = Embedding(rows: configuration.typeVocabularySize, features: size)
        norm = LayerNorm(size, epsilon: configuration.epsilon)
        layers = (0..<configuration.layerCount).map { _ in BERTLayer(configuration) }
        pooler = Linear(weight: .zeros([size, size]), bias: .zeros([size]))
        self.configuration = configuration
    }

    /// The places that can be read: `layers.0`, the embeddings, to `layers.L`.
    public var taps: [Tap] {
        (0...layers.count).map {
            Tap(name: "layers.\($0)", depth: $0, channels: configuration.hiddenSize, kind: .tokens)
        }
    }

    /// The states after the embeddings and after every layer.
    ///
    /// - Shapes: `ids`, `typeIDs` and `attentionMask` (1 for a token, 0 for padding) `[N, T]` → `L + 1` states
    ///   `[N, T, C]`.
    /// - Precondition: `T` is at most the number of positions; ids are in the vocabulary.
    public func states(ids: Tensor, attentionMask: Tensor, typeIDs: Tensor? = nil) -> [Tensor] {
        require(
            ids.rank == 2 && attentionMask.shape == ids.shape,
            "BERT: ids \(ids.shape) and attention mask \(attentionMask.shape) differ")
        return states(from: embeddings(ids: ids, typeIDs: typeIDs), attentionMask: attentionMask)
    }

    /// What stands for the tokens before anything is normalised: the sums of the vectors of token, type and place.
    ///
    /// - Shapes: `[N, T]` → `[N, T, C]`.
    /// - Precondition: as for `states`.
    public func embeddings(ids: Tensor, typeIDs: Tensor? = nil) -> Tensor {
        let length = ids.shape[1]
        require(
            length <= configuration.maximumPositions,
            "BERT: \(length) tokens, but only \(configuration.maximumPositions) positions")
        let typeRows = types(typeIDs ?? .zeros(ids.shape, .int64))
        let places = positions(Tensor((0..<Int64(length)).map { $0 }))
        return words(ids) + (typeRows + places)
    }

    /// The normalised embeddings and the states after every layer.
    ///
    /// - Shapes: `[N, T, C]` → `L + 1` states `[N, T, C]`; without a mask all `[N, T]` are tokens.
    public func states(from embeddings: Tensor, attentionMask: Tensor? = nil) -> [Tensor] {
        let mask = attentionMask.map { ((1 - $0.cast(to: .float32)) * -1e9).reshaped($0.shape[0], 1, 1, $0.shape[1]) }
        var states = [norm(embeddings)]
        for layer in layers { states.append(layer(states.last!, mask: mask)) }
        return states
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("embeddings")
        visitor.module("word_embeddings", &words)
        visitor.module("position_embeddings", &positions)
        visitor.module("token_type_embeddings", &types)
        visitor.module("LayerNorm", &norm)
        visitor.leave()
        visitor.enter("encoder")
        visitor.modules("layer", &layers)
        visitor.leave()
        visitor.module("pooler.dense", &pooler)
    }
}

/// One encoder layer: self-attention and a two-layer perceptron, each added to its input and normalised.
struct BERTLayer: Module {
    var query, key, value, attentionOutput: Linear
    var attentionNorm: LayerNorm
    var intermediate, output: Linear
    var outputNorm: LayerNorm
    let headCount: Int

    init(_ configuration: BERTConfiguration) {
        let (size, wide) = (configuration.hiddenSize, configuration.intermediateSize)
        func linear(_ inFeatures: Int, _ outFeatures: Int) -> Linear {
            Linear(weight: .zeros([outFeatures, inFeatures]), bias: .zeros([outFeatures]))
        }
        (query, key, value, attentionOutput) = (linear(size, size), linear(size, size), linear(size, size), linear(size, size))
        attentionNorm = LayerNorm(size, epsilon: configuration.epsilon)
        (intermediate, output) = (linear(size, wide), linear(wide, size))
        outputNorm = LayerNorm(size, epsilon: configuration.epsilon)
        headCount = configuration.headCount
    }

    func callAsFunction(_ x: Tensor, mask: Tensor?) -> Tensor {
        func heads(_ projected: Tensor) -> Tensor {  // [N, T, C] → [N, heads, T, C / heads]
            projected.reshaped(x.shape[0], x.shape[1], headCount, -1).permuted(0, 2, 1, 3)
        }
        let mixed = attention(query: heads(query(x)), key: heads(key(x)), value: heads(value(x)), mask: mask)
        let attended = attentionNorm(attentionOutput(mixed.permuted(0, 2, 1, 3).reshaped(x.shape)) + x)
        return outputNorm(output(intermediate(attended).gelu()) + attended)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("attention")
        visitor.enter("self")
        visitor.module("query", &query)
        visitor.module("key", &key)
        visitor.module("value", &value)
        visitor.leave()
        visitor.module("output.dense", &attentionOutput)
        visitor.module("output.LayerNorm", &attentionNorm)
        visitor.leave()
        visitor.module("intermediate.dense", &intermediate)
        visitor.module("output.dense", &output)
        visitor.module("output.LayerNorm", &outputNorm)
    }
}
