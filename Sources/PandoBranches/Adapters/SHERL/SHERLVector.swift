import PandoBackbones
import PandoNN
import PandoTensor

/// SHERL for backbones that give one vector: each state becomes a vector under it, these are fused as tokens' states are,
/// and what comes of it is added to the vector. No block of the backbone is run.
///
/// `v + W relu(g + Σ_i a_i s_i)`, `s_i = Σ_k w_ik F_i[k] + F_i[p]`, `w_i = shares(relu(u_i · (F_i[k] ∘ g) + b_i))`.
/// - Shapes: vector `[N, E]`, states `[N, T, C_i]` → `[N, E]`.
/// - Source: Diao et al. 2024, SHERL (arXiv:2407.07523), as its code has it for CLIP, with the place's own state counting
///   fully.
public struct SHERLVector: Adapter {
    public let taps: [Tap.Name]
    public var down: [Linear]
    public var guideDown: Linear
    /// What tokens of each state are weighed by.
    public var relevances: [Linear]
    public var fusion: SHERLFusion
    public var up: Linear
    public let place: UniPTVector.Place

    public init(
        reading taps: [Tap.Name], channels: [Int], vectorLength: Int, width: Int, place: UniPTVector.Place = .first,
        dividesByRedundancy: Bool = true, epsilon: Float = 1e-6, using generator: inout SeededGenerator
    ) {
        self.taps = taps
        down = channels.map { Linear($0, width, using: &generator) }
        guideDown = Linear(vectorLength, width, using: &generator)
        relevances = channels.map { _ in Linear(width, 1, using: &generator) }
        fusion = SHERLFusion(
            width: width, dividesByRedundancy: dividesByRedundancy, epsilon: epsilon, using: &generator)
        up = Linear(width, vectorLength, using: &generator)
        self.place = place
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps, vector: true) }
    public var featureCount: Int { up.outFeatures }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        let states = Tensor.stacked(zip(down, features[taps]).map { $0($1.relu()) }, along: 1)  // [N, L, T, S]
        let guide = guideDown(features.pooled.relu())
        let weights = Tensor.concatenated(relevances.map(\.weight)).cast(to: states.elementType)  // [L, S]
        let biases = Tensor.concatenated(relevances.map { $0.bias ?? .zeros([1]) }).cast(to: states.elementType)
        let scores = matmul(states, (guide.expanded(at: 1) * weights).expanded(at: 3)).squeezed(3)  // [N, L, T]
        let shares = (scores + biases.expanded(at: 1)).relu()
            .shares(features.mask?.expanded(at: 1), epsilon: fusion.epsilon)
        let own = place.oneHot(features.mask, length: states.shape[2]).cast(to: states.elementType).expanded(at: 1)
        let vectors = matmul((shares + own).expanded(at: 2), states).squeezed(2)  // [N, L, S]
        let fused = guide + fusion(states: vectors, guide: guide)
        return (features.pooled + up(fused.relu())).cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("down", &down)
        visitor.module("guide_down", &guideDown)
        visitor.modules("relevances", &relevances)
        visitor.module("fusion", &fusion)
        visitor.module("up", &up)
    }
}
