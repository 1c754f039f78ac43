import PandoNN
import PandoTensor

/// Earlier states brought together as the guide, the deepest state, sees them: to each token of each state are added
/// those that the guide's token at its place resembles; states are then weighed by how much they share with the guide.
///
/// With `A_i` the rows of `relu(g · F_iᵀ)` as shares of their sum, and `C = softmax_i(w · (mean g ∘ mean F_i) + b)`, the
/// result is `Σ_i C_i (A_i + I) F_i`. No scale, no softmax and no projections of query, key or value.
/// - Shapes: guide `[N, Q, S]`, states `[N, L, T, S]`, mask `[N, T]` → `[N, Q, S]`.
/// - Cost: `S + 1` parameters; two batched products, `4 · N · Q · L · T · S` operations.
/// - Source: Diao et al. 2024, UniPT (arXiv:2308.14316), parallel interaction and confidence aggregation. The weighted sum
///   over states is taken inside the second product: the states stand one after another along its inner axis.
public struct UniPTInteraction: Module {
    /// From what guide and state have in common to the state's confidence; `nil` where all states count the same.
    public var gate: Linear?
    /// Whether tokens see others; otherwise each state's tokens stay what they are.
    public let interacts: Bool
    public let epsilon: Float

    /// - Parameter weighsStates: whether states have a confidence each.
    public init(
        width: Int, weighsStates: Bool = true, interacts: Bool = true, epsilon: Float = 1e-8,
        using generator: inout SeededGenerator
    ) {
        gate = weighsStates ? Linear(width, 1, using: &generator) : nil
        self.interacts = interacts
        self.epsilon = epsilon
    }

    /// - Parameter own: what each query keeps of each token of its own states, `[N or 1, Q, 1, T]`; the identity if `nil`.
    public func callAsFunction(guide: Tensor, states: Tensor, own: Tensor? = nil, mask: Tensor?) -> Tensor {
        let (count, layers, length, width) = (states.shape[0], states.shape[1], states.shape[2], states.shape[3])
        let queries = guide.shape[1]
        var seen = (own ?? Tensor.eye(length).reshaped(1, length, 1, length)).cast(to: states.elementType)
        if interacts { seen = seen + affinities(guide: guide, states: states, mask: mask) }
        let weights = seen * confidences(guide: guide, states: states, mask: mask).reshaped(count, 1, layers, 1)
        return matmul(
            weights.broadcast(to: [count, queries, layers, length]).reshaped(count, queries, layers * length),
            states.reshaped(count, layers * length, width))
    }

    /// How much each query sees of each token of each state: `A_i`, `[N, Q, L, T]`. Rows sum to 1, or are 0.
    public func affinities(guide: Tensor, states: Tensor, mask: Tensor?) -> Tensor {
        let (count, layers, length, width) = (states.shape[0], states.shape[1], states.shape[2], states.shape[3])
        return rectifiedAffinities(guide, states.reshaped(count, layers * length, width))
            .reshaped(count, guide.shape[1], layers, length)
            .shares(mask?.reshaped(count, 1, 1, length), epsilon: epsilon)
    }

    /// What each state counts: `C`, `[N, L]`, summing to 1.
    public func confidences(guide: Tensor, states: Tensor, mask: Tensor?) -> Tensor {
        let (count, layers) = (states.shape[0], states.shape[1])
        guard let gate else {
            return Tensor.filled([count, layers], with: 1 / Float(layers)).cast(to: states.elementType)
        }
        let isSingle = guide.shape[1] == 1 && states.shape[2] != 1
        let pooledGuide = guide.maskedMean(isSingle ? nil : mask)
        let common = states.maskedMean(mask) * pooledGuide.expanded(at: 1)  // [N, L, S]
        return gate(common).reshaped(count, layers).softmax()
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.module("gate", &gate) }
}

/// `relu(queries · keysᵀ)`: `[N, Q, S]`, `[N, T, S]` → `[N, Q, T]`.
func rectifiedAffinities(_ queries: Tensor, _ keys: Tensor) -> Tensor { matmul(queries, keys.transposed).relu() }

extension Tensor {
    /// What `mask` shows as shares of its sum along the last axis.
    func shares(_ mask: Tensor?, epsilon: Float) -> Tensor {
        (mask.map { self * $0.cast(to: elementType) } ?? self).sharesOfSum(along: rank - 1, epsilon: epsilon)
    }
}
