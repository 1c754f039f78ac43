import PandoNN
import PandoTensor

/// One layer of set attention: learned queries read all fields, then fields read what the queries found.
///
/// `H = norm(h + ffn(h))` of `h = norm(q + attend(q, x))`, then `x ← x + sigmoid(a) ffn(attend(norm(x), H))`. Cost grows with
/// fields times queries, not with fields squared; the order of fields does not matter. What becomes of the fields is not
/// normalised: their means are what excitation looks at.
/// - Shapes: `[N, F, D]` → patterns `[N, K, D]`, fields `[N, F, D]`.
/// - Source: Lee et al. 2019, Set Transformer (arXiv:1810.00825), section 3.1; the learned weight of what is added is our
///   reading of "auto" in Tao et al. 2023 (arXiv:2301.02494).
public struct PatternLayer: Module {
    /// `[K, D]`.
    public var queries: Tensor
    public var inward, outward: MultiHeadAttention
    public var inwardNorm, patternNorm, fieldNorm: LayerNorm
    public var patternExpansion, patternContraction: Linear
    public var fieldExpansion, fieldContraction: Linear
    /// Before its sigmoid.
    public var weight: Tensor

    public init(_ width: Int, patterns: Int, heads: Int, using generator: inout SeededGenerator) {
        queries = .normal(deviation: 1, [patterns, width], using: &generator)
        inward = MultiHeadAttention(width, inner: width, heads: heads, using: &generator)
        outward = MultiHeadAttention(width, inner: width, heads: heads, using: &generator)
        (inwardNorm, patternNorm, fieldNorm) = (LayerNorm(width), LayerNorm(width), LayerNorm(width))
        patternExpansion = Linear(width, 2 * width, using: &generator)
        patternContraction = Linear(2 * width, width, using: &generator)
        fieldExpansion = Linear(width, 2 * width, using: &generator)
        fieldContraction = Linear(2 * width, width, using: &generator)
        weight = .zeros([1])
    }

    public func callAsFunction(_ fields: Tensor) -> (patterns: Tensor, fields: Tensor) {
        let begin = queries.cast(to: fields.elementType).expanded(at: 0)
            .broadcast(to: [fields.shape[0], queries.shape[0], queries.shape[1]])
        let found = inwardNorm(begin + inward(begin, keys: fields, values: fields))
        let patterns = patternNorm(found + patternContraction(patternExpansion(found).relu()))
        let read = outward(fieldNorm(fields), keys: patterns, values: patterns)
        let change = fieldContraction(fieldExpansion(read).relu())
        return (patterns, fields + change * weight.cast(to: fields.elementType).sigmoid())
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("queries", &queries)
        visitor.module("inward", &inward)
        visitor.module("inward_norm", &inwardNorm)
        visitor.module("pattern_expansion", &patternExpansion)
        visitor.module("pattern_contraction", &patternContraction)
        visitor.module("pattern_norm", &patternNorm)
        visitor.module("field_norm", &fieldNorm)
        visitor.module("outward", &outward)
        visitor.module("field_expansion", &fieldExpansion)
        visitor.module("field_contraction", &fieldContraction)
        visitor.parameter("weight", &weight)
    }
}

/// Weighs fields by what their means tell of one another: `2 sigmoid(W₂ relu(W₁ z))`, `z` the mean of each field.
///
/// - Shapes: `[N, F, D]` → the same.
/// - Source: Hu et al. 2018, Squeeze-and-Excitation (arXiv:1709.01507), section 3, over fields instead of channels; the hidden layer
///   has a quarter of the fields' width, four at least.
public struct FieldExcitation: Module {
    public var squeeze, excitation: Linear

    public init(_ fields: Int, using generator: inout SeededGenerator) {
        squeeze = Linear(fields, max(fields / 4, 4), using: &generator)
        excitation = Linear(max(fields / 4, 4), fields, using: &generator)
    }

    public func callAsFunction(_ fields: Tensor) -> Tensor {
        let weights = excitation(squeeze(fields.mean(along: [2])).relu()).sigmoid() * 2
        return fields * weights.expanded(at: 2)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("squeeze", &squeeze)
        visitor.module("excitation", &excitation)
    }
}
