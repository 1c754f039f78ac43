import PandoNN
import PandoTensor

/// What a transformer block's parts measure.
struct TransformerBlockSizes: Sendable, Hashable {
    var features: Int
    var headCount: Int
    /// Width between the two layers of the perceptron, after gating.
    var intermediateSize: Int
    var activation = NamedActivation.gelu
    /// Whether half of the perceptron's first layer gates the other half, through the activation.
    var isGated = false
    var epsilon: Float
    var hasProjectionBias = true
    /// Whether what attention and perceptron add is scaled, feature by feature.
    var hasLayerScale = false
}

/// One pre-norm block, under timm's names: self-attention and a two-layer perceptron, each of the normalised input and
/// added to it.
///
/// - Shapes: `[N, T, C]` → the same.
/// - Source: Dosovitskiy et al. 2021 (arXiv:2010.11929), equations 2 and 3; layer scale: Touvron et al. 2021
///   (arXiv:2103.17239), section 2; gates: Shazeer 2020 (arXiv:2002.05202).
struct TransformerBlock: Module {
    var attentionNorm: LayerNorm
    var attention: TransformerAttention
    var attentionScale: Tensor?
    var perceptronNorm: LayerNorm
    var expansion, contraction: Linear
    var perceptronScale: Tensor?
    let activation: Activation
    let isGated: Bool
    /// Whether the block hands on what it is given, to save its cost.
    var isLeftOut = false

    init(_ sizes: TransformerBlockSizes) {
        let (features, wide) = (sizes.features, sizes.intermediateSize)
        attentionNorm = LayerNorm(features, epsilon: sizes.epsilon)
        attention = TransformerAttention(sizes)
        perceptronNorm = LayerNorm(features, epsilon: sizes.epsilon)
        expansion = .blank(features, sizes.isGated ? 2 * wide : wide)
        contraction = .blank(wide, features)
        if sizes.hasLayerScale { (attentionScale, perceptronScale) = (.ones([features]), .ones([features])) }
        activation = sizes.activation.function
        isGated = sizes.isGated
    }

    /// - Parameter mask: `[N, 1, 1, T]`, added to scores.
    func callAsFunction(_ x: Tensor, mask: Tensor? = nil, isCausal: Bool = false) -> Tensor {
        if isLeftOut { return x }
        let attended = attention(attentionNorm(x), scaledBy: attentionScale, mask: mask, isCausal: isCausal) + x
        return contraction.scaled(by: perceptronScale, expanded(perceptronNorm(attended))) + attended
    }

    private func expanded(_ x: Tensor) -> Tensor {
        let wide = expansion(x)
        guard isGated else { return wide.applying(activation) }
        let half = expansion.outFeatures / 2
        return wide.slice(0..<half, along: 2).applying(activation) * wide.slice(half..<2 * half, along: 2)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm1", &attentionNorm)
        visitor.module("attn", &attention)
        visitor.parameter("ls1.gamma", &attentionScale)
        visitor.module("norm2", &perceptronNorm)
        visitor.enter("mlp")
        visitor.module("fc1", &expansion)
        visitor.module("fc2", &contraction)
        visitor.leave()
        visitor.parameter("ls2.gamma", &perceptronScale)
    }
}

/// What tokens take from one another.
///
/// - Shapes: `[N, T, C]` → the same.
struct TransformerAttention: SelfAttention {
    /// Query, key and value in one.
    var projections: Linear
    var output: Linear
    var headCount: Int
    var prefix: AttentionPrefix?

    var features: Int { output.inFeatures }

    init(_ sizes: TransformerBlockSizes) {
        projections = .blank(sizes.features, 3 * sizes.features, bias: sizes.hasProjectionBias)
        output = .blank(sizes.features, sizes.features)
        headCount = sizes.headCount
    }

    /// - Parameter scale: of each output, `[C]`.
    func callAsFunction(_ x: Tensor, scaledBy scale: Tensor?, mask: Tensor?, isCausal: Bool) -> Tensor {
        let projected = projections(x).reshaped(x.shape[0], x.shape[1], 3, headCount, features / headCount)
        func heads(_ index: Int) -> Tensor {  // [N, T, 3, heads, D] → [N, heads, T, D]
            projected.slice(index..<index + 1, along: 2).squeezed(2).permuted(0, 2, 1, 3)
        }
        return output.scaled(
            by: scale, attended(query: heads(0), key: heads(1), value: heads(2), mask: mask, isCausal: isCausal))
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("qkv", &projections)
        visitor.module("proj", &output)
    }
}

extension Linear {
    /// The layer's outputs, each scaled. Scaled weights give the same, and a program computes those once.
    fileprivate func scaled(by scale: Tensor?, _ x: Tensor) -> Tensor {
        guard let scale else { return self(x) }
        if adapter != nil { return self(x) * scale.cast(to: x.elementType) }
        return Linear(weight: weight * scale.expanded(at: 1), bias: bias.map { $0 * scale })(x)
    }
}
