import PandoBackbones
import PandoNN
import PandoTensor

/// UniPT for backbones that give one vector: it alone is the guide, and what the states add to it is added to the vector.
///
/// `v + W relu(Σ_i C_i (A_i F_i + F_i[p]))`, where `F_i = W_i relu(h_i)` and `p` is the place whose state the backbone
/// makes its vector of.
/// - Shapes: vector `[N, E]`, states `[N, T, C_i]` → `[N, E]`.
/// - Source: Diao et al. 2024, UniPT (arXiv:2308.14316), as its code has it for CLIP.
public struct UniPTVector: Adapter {
    /// The place of each state that a query keeps.
    public enum Place: String, Sendable, Hashable, Codable, CaseIterable {
        case first
        /// The last token that is no padding.
        case last
    }

    public let taps: [Tap.Name]
    public var down: [Linear]
    public var guideDown: Linear
    public var interaction: UniPTInteraction
    public var up: Linear
    public let place: Place

    public init(
        reading taps: [Tap.Name], channels: [Int], vectorLength: Int, width: Int, place: Place = .first,
        weighsStates: Bool = true, interacts: Bool = true, epsilon: Float = 1e-6, using generator: inout SeededGenerator
    ) {
        self.taps = taps
        down = channels.map { Linear($0, width, using: &generator) }
        guideDown = Linear(vectorLength, width, using: &generator)
        interaction = UniPTInteraction(
            width: width, weighsStates: weighsStates, interacts: interacts, epsilon: epsilon, using: &generator)
        up = Linear(width, vectorLength, using: &generator)
        self.place = place
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps, vector: true) }
    public var featureCount: Int { up.outFeatures }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        let states = Tensor.stacked(zip(down, features[taps]).map { $0($1.relu()) }, along: 1)  // [N, L, T, S]
        let guide = guideDown(features.pooled.relu()).expanded(at: 1)
        let own = place.oneHot(features.mask, length: states.shape[2])
        let fused = interaction(
            guide: guide, states: states, own: own.expanded(at: 1).expanded(at: 1), mask: features.mask)
        return (features.pooled + up(fused.squeezed(1).relu())).cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("down", &down)
        visitor.module("guide_down", &guideDown)
        visitor.module("interaction", &interaction)
        visitor.module("up", &up)
    }
}

extension UniPTVector.Place {
    /// 1 at the place, 0 elsewhere: `[N or 1, T]`.
    func oneHot(_ mask: Tensor?, length: Int) -> Tensor {
        if self == .last, let mask {
            let last = mask.cast(to: .float32).sum(along: [1], keepingAxes: true) - 1
            return (Tensor.arange(to: Float(length)).expanded(at: 0) .== last).cast(to: .float32)
        }
        let index = self == .first ? 0 : length - 1
        return Tensor((0..<length).map { $0 == index ? 1 : 0 } as [Float], shape: [1, length])
    }
}
