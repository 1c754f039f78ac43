import PandoNN
import PandoTensor

/// Tokens as one vector: a learned query attends to them, and a perceptron follows.
///
/// - Shapes: `[N, T, C]` → `[N, C]`.
/// - Source: Zhai et al. 2022, "Scaling Vision Transformers" (arXiv:2106.04560), section 3.2 (MAP head), as SigLIP has
///   it. Query, key and value are one matrix here, as in PyTorch's attention.
struct AttentionPool: Module {
    var probe: Tensor
    var projections: Linear
    var output: Linear
    var norm: LayerNorm
    var expansion, contraction: Linear
    let headCount: Int
    let activation: Activation

    init(_ sizes: TransformerBlockSizes) {
        let (features, wide) = (sizes.features, sizes.intermediateSize)
        probe = .zeros([1, 1, features])
        projections = .blank(features, 3 * features)
        output = .blank(features, features)
        norm = LayerNorm(features, epsilon: sizes.epsilon)
        (expansion, contraction) = (.blank(features, wide), .blank(wide, features))
        headCount = sizes.headCount
        activation = sizes.activation.function
    }

    func callAsFunction(_ tokens: Tensor) -> Tensor {
        let (count, features) = (tokens.shape[0], tokens.shape[2])
        func heads(_ x: Tensor, _ part: Int) -> Tensor {  // [N, T, 3 C] → [N, heads, T, D]
            x.reshaped(x.shape[0], x.shape[1], 3, headCount, features / headCount)
                .slice(part..<part + 1, along: 2).squeezed(2).permuted(0, 2, 1, 3)
        }
        let asked = projections(probe.cast(to: tokens.elementType)).broadcast(to: [count, 1, 3 * features])
        let seen = projections(tokens)
        let mixed = attention(query: heads(asked, 0), key: heads(seen, 1), value: heads(seen, 2))
        let pooled = output(mixed.permuted(0, 2, 1, 3).reshaped(count, features))
        return contraction(expansion(norm(pooled)).applying(activation)) + pooled
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("latent", &probe)
        visitor.module("in_proj", &projections)
        visitor.module("proj", &output)
        visitor.module("norm", &norm)
        visitor.enter("mlp")
        visitor.module("fc1", &expansion)
        visitor.module("fc2", &contraction)
        visitor.leave()
    }
}
