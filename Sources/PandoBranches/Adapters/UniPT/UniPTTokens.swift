import PandoNN
import PandoTensor

/// What stands beside a backbone and makes of its states features at the guide's places, ready to be widened.
public protocol UniPTSide: Module {
    /// - Shapes: the backbone's states, deepest last; mask `[N, T]` → `[N, T, S]`.
    func callAsFunction(_ states: [Tensor], mask: Tensor?, during pass: TrainingPass?) -> Tensor
}

/// The way from the fused states back to the guide, of its width.
///
/// - Shapes: `[…, S]` → the same.
public struct UniPTProjection: Module {
    /// Where the way leads through a wider layer and a rectifier.
    public var expansion: Linear?
    public var linear: Linear
    public var norm: LayerNorm

    public init(width: Int, through wide: Int? = nil, using generator: inout SeededGenerator) {
        expansion = wide.map { Linear(width, $0, using: &generator) }
        linear = Linear(wide ?? width, width, using: &generator)
        norm = LayerNorm(width)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { norm(linear(expansion.map { $0(x).relu() } ?? x)) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("expansion", &expansion)
        visitor.module("linear", &linear)
        visitor.module("norm", &norm)
    }
}

/// UniPT beside a transformer: every state narrowed by a layer of its own, the earlier ones fused under the deepest.
///
/// - Shapes: states `[N, T, C_i]`, mask `[N, T]` → `[N, T, S]`.
/// - Cost: `(L + 1)(C S + 3 S) + S² + 3 S + S + 1` parameters of `L + 1` states of `C` channels.
/// - Source: Diao et al. 2024, UniPT (arXiv:2308.14316), as its code has it for BERT; with a projection
///   through a wider layer, as for CLIP-ViL and MDETR. Matrices begin as PyTorch's linear layers do, in all variants.
public struct UniPTTokens: UniPTSide {
    /// One for each state.
    public var down: [NormalizedLinear]
    public var interaction: UniPTInteraction
    public var projection: UniPTProjection

    /// - Precondition: there are at least two states.
    public init(
        channels: [Int], width: Int, projectingThrough wide: Int? = nil, weighsStates: Bool = true,
        interacts: Bool = true, epsilon: Float = 1e-8, using generator: inout SeededGenerator
    ) {
        require(channels.count > 1, "UniPT: \(channels.count) states, expected a guide and others")
        down = channels.map { NormalizedLinear($0, width, using: &generator) }
        interaction = UniPTInteraction(
            width: width, weighsStates: weighsStates, interacts: interacts, epsilon: epsilon, using: &generator)
        projection = UniPTProjection(width: width, through: wide, using: &generator)
    }

    public func callAsFunction(_ states: [Tensor], mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        let (guide, others) = narrowed(states)
        return fused(guide, others, mask: mask)
    }

    /// The guide `[N, T, S]` and the other states `[N, L, T, S]`, narrowed.
    func narrowed(_ states: [Tensor]) -> (guide: Tensor, others: Tensor) {
        require(states.count == down.count, "UniPT: \(states.count) states, expected \(down.count)")
        let narrow = zip(down, states).map { $0($1) }
        return (narrow[narrow.count - 1], .stacked(Array(narrow.dropLast()), along: 1))
    }

    func fused(_ guide: Tensor, _ others: Tensor, mask: Tensor?) -> Tensor {
        guide + projection(interaction(guide: guide, states: others, mask: mask))
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("down", &down)
        visitor.module("interaction", &interaction)
        visitor.module("projection", &projection)
    }
}
