import PandoNN
import PandoTensor

/// A layer that narrows tokens.
public protocol TokenNarrowing: Module {
    /// - Shapes: `[N, T, C]` → `[N, T, S]`.
    func callAsFunction(_ x: Tensor) -> Tensor
}

extension NormalizedLinear: TokenNarrowing {}

/// `(W₂ t + t) · σ(W₃ t)` of `t = relu(W₁ x)`.
///
/// - Source: Diao et al. 2024, SHERL (arXiv:2407.07523), as its code has it for CLIP-ViL and T5.
public struct GatedLinear: TokenNarrowing {
    public var first, second, gate: Linear

    public init(_ inFeatures: Int, _ outFeatures: Int, using generator: inout SeededGenerator) {
        first = Linear(inFeatures, outFeatures, using: &generator)
        second = Linear(outFeatures, outFeatures, using: &generator)
        gate = Linear(outFeatures, outFeatures, using: &generator)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        let narrow = first(x).relu()
        return (second(narrow) + narrow) * gate(narrow).sigmoid()
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("first", &first)
        visitor.module("second", &second)
        visitor.module("gate", &gate)
    }
}

/// SHERL's early route beside a transformer. Tokens are fused each for itself: none sees another.
///
/// - Shapes: states `[N, T, C_i]` → `[N, T, C]` of the deepest.
/// - Source: Diao et al. 2024, SHERL (arXiv:2407.07523), as its code has it for BERT (normalised),
///   CLIP-ViL (gated) and MDETR (with a perceptron over what was fused).
public struct SHERLTokens<Down: TokenNarrowing>: SHERLRoute {
    /// One for each state.
    public var down: [Down]
    public var fusion: SHERLFusion
    public var perceptron: UniPTProjection?
    public var up: Linear
    public var norm: LayerNorm?
    public var gate = SHERLGate()
    public let dropout: Dropout

    /// - Precondition: there are at least two states.
    public init(
        down: [Down], fusion: SHERLFusion, perceptron: UniPTProjection? = nil, up: Linear, norm: LayerNorm? = nil,
        dropout: Float = 0
    ) {
        require(down.count > 1, "SHERL: \(down.count) states, expected a guide and others")
        (self.down, self.fusion, self.perceptron, self.up, self.norm) = (down, fusion, perceptron, up, norm)
        self.dropout = Dropout(dropout)
    }

    public func callAsFunction(_ states: [Tensor], during pass: TrainingPass?) -> Tensor {
        require(states.count == down.count, "SHERL: \(states.count) states, expected \(down.count)")
        let narrow = zip(down, states).map { $0($1) }
        let fused = fusion.fused(narrow, perceptron).relu()
        let wide = up(fused)
        return gate(dropout(norm?(wide) ?? wide, during: pass), adding: states[states.count - 1])
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("down", &down)
        visitor.module("fusion", &fusion)
        visitor.module("perceptron", &perceptron)
        visitor.module("up", &up)
        visitor.module("norm", &norm)
        visitor.module("gate", &gate)
    }
}

extension SHERLFusion {
    /// The deepest of narrowed states `[…, S]`, and what it takes of the others, perhaps through a perceptron.
    func fused(_ narrow: [Tensor], _ perceptron: UniPTProjection? = nil) -> Tensor {
        let guide = narrow[narrow.count - 1]
        let width = guide.shape[guide.rank - 1]
        let rows = guide.reshaped(-1, width)
        let others = Tensor.stacked(narrow.dropLast().map { $0.reshaped(-1, width) }, along: 1)  // [M, L, S]
        let taken = self(states: others, guide: rows)
        return (rows + (perceptron.map { $0(taken) } ?? taken)).reshaped(guide.shape)
    }
}
