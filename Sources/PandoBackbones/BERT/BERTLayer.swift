import PandoNN
import PandoTensor

/// One encoder layer: self-attention and a two-layer perceptron, each added to its input and normalised.
struct BERTLayer: Module {
    var attention: BERTAttention
    var attentionOutput: Linear
    var attentionNorm: LayerNorm
    var intermediate, output: Linear
    var outputNorm: LayerNorm
    let activation: Activation
    /// Whether the layer hands on what it is given, to save its cost.
    var isLeftOut = false

    init(_ configuration: BERTConfiguration) {
        let (size, wide) = (configuration.hiddenSize, configuration.intermediateSize)
        attention = BERTAttention(features: size, headCount: configuration.headCount)
        attentionOutput = .blank(size, size)
        attentionNorm = LayerNorm(size, epsilon: configuration.epsilon)
        (intermediate, output) = (.blank(size, wide), .blank(wide, size))
        outputNorm = LayerNorm(size, epsilon: configuration.epsilon)
        activation = configuration.activation.function
    }

    func callAsFunction(_ x: Tensor, mask: Tensor?) -> Tensor {
        if isLeftOut { return x }
        let attended = attentionNorm(attentionOutput(attention(x, mask: mask)) + x)
        return outputNorm(output(intermediate(attended).applying(activation)) + attended)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("attention")
        visitor.module("self", &attention)
        visitor.module("output.dense", &attentionOutput)
        visitor.module("output.LayerNorm", &attentionNorm)
        visitor.leave()
        visitor.module("intermediate.dense", &intermediate)
        visitor.module("output.dense", &output)
        visitor.module("output.LayerNorm", &outputNorm)
    }
}

/// What tokens take from one another, before it is projected back.
///
/// - Shapes: `[N, T, C]` → the same.
struct BERTAttention: SelfAttention {
    var query, key, value: Linear
    var headCount: Int
    var prefix: AttentionPrefix?

    var features: Int { key.outFeatures }

    init(features: Int, headCount: Int) {
        (query, key, value) = (.blank(features, features), .blank(features, features), .blank(features, features))
        self.headCount = headCount
    }

    /// - Parameter mask: `[N, 1, 1, T]`, added to scores.
    func callAsFunction(_ x: Tensor, mask: Tensor?) -> Tensor {
        func heads(_ projected: Tensor) -> Tensor {  // [N, T, C] → [N, heads, T, C / heads]
            projected.reshaped(x.shape[0], x.shape[1], headCount, features / headCount).permuted(0, 2, 1, 3)
        }
        return attended(query: heads(query(x)), key: heads(key(x)), value: heads(value(x)), mask: mask)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("query", &query)
        visitor.module("key", &key)
        visitor.module("value", &value)
    }
}
