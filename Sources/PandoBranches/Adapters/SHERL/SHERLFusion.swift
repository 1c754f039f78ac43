import PandoNN
import PandoTensor

/// Shallow states of each token added up under its guide, the deepest state, by relevance over redundancy.
///
/// With `m_i = relu(w · (E_i ∘ e) + b)` and `r_i = Σ_j relu(cos(E_i, E_j))`, the result is `Σ_i a_i E_i`,
/// `a = shares(m / r)`: states that resemble each other share what one of them would count.
/// - Shapes: states `[M, L, S]`, guides `[M, S]` of `M` tokens → `[M, S]`.
/// - Cost: `S + 1` parameters; `[M, L, L]` cosines.
/// - Source: Diao et al. 2024, SHERL (arXiv:2407.07523), early route.
public struct SHERLFusion: Module {
    public var relevance: Linear
    /// Whether relevance is divided by redundancy.
    public let dividesByRedundancy: Bool
    public let epsilon: Float

    public init(
        width: Int, dividesByRedundancy: Bool = true, epsilon: Float = 1e-6, using generator: inout SeededGenerator
    ) {
        relevance = Linear(width, 1, using: &generator)
        (self.dividesByRedundancy, self.epsilon) = (dividesByRedundancy, epsilon)
    }

    public func callAsFunction(states: Tensor, guide: Tensor) -> Tensor {
        matmul(weights(states: states, guide: guide).expanded(at: 1), states).squeezed(1)
    }

    /// What each state of each token counts: `a`, `[M, L]`, not negative, summing to 1 or all 0.
    public func weights(states: Tensor, guide: Tensor) -> Tensor {
        // w · (E ∘ e) = E · (w ∘ e)
        let direction = guide * relevance.weight.cast(to: guide.elementType)  // [M, S] · [1, S]
        let scores = matmul(states, direction.expanded(at: 2)).squeezed(2)
        let shift = (relevance.bias ?? .zeros([1])).cast(to: guide.elementType)
        let relevances = (scores + shift).relu()
        // A state of zeros resembles nothing, not even itself.
        let weights = dividesByRedundancy ? relevances / redundancies(states).clamped(epsilon...) : relevances
        return weights.sharesOfSum(along: 1, epsilon: epsilon)
    }

    /// How often each state's direction is there: `r`, `[M, L]`, at least 1 for states that are not zero.
    public func redundancies(_ states: Tensor) -> Tensor {
        let unit = states / (states.norm(2, along: [2], keepingAxes: true) + epsilon)
        return matmul(unit, unit.transposed).relu().sum(along: [2])
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.module("relevance", &relevance) }
}

/// How much of the deepest state goes on beside what was fused: `tanh(α / 0.1)`, none in the beginning.
///
/// - Source: Diao et al. 2024, SHERL (arXiv:2407.07523), late route.
public struct SHERLGate: Module {
    public var alpha: Tensor = .zeros([1])

    public init() {}

    /// `fused + tanh(α / 0.1) · state`.
    public func callAsFunction(_ fused: Tensor, adding state: Tensor) -> Tensor {
        fused + (alpha.cast(to: fused.elementType) * 10).tanh() * state
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.parameter("alpha", &alpha) }
}

/// The early route: from the frozen states to what stands in for the deepest of them.
public protocol SHERLRoute: Module {
    /// - Shapes: states, deepest last → as the deepest.
    func callAsFunction(_ states: [Tensor], during pass: TrainingPass?) -> Tensor
}
