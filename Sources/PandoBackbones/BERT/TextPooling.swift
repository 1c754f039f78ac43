import PandoNN
import PandoTensor

/// A network over texts whose pooled vector can be had in several ways.
public protocol PoolingTextBackbone: TextBackbone {
    /// The same network with another pooled vector; `nil` if it lacks a part that this needs.
    func pooling(by pooling: TextPooling) -> Self?
}

extension Tensor {
    /// Of each text one vector; tokens that `attentionMask` hides count for nothing.
    ///
    /// - Shapes: states `[N, T, C]`, mask `[N, T]` → `[N, C]`. For `.pooler` what goes into it.
    func pooled(by pooling: TextPooling, _ attentionMask: Tensor) -> Tensor {
        let present = attentionMask.cast(to: .float32).expanded(at: 2)
        switch pooling {
        case .first, .pooler: return element(0, along: 1)
        case .mean: return (self * present).sum(along: [1]) / present.sum(along: [1]).clamped(1e-9, .infinity)
        case .max: return (self + (1 - present) * -1e9).max(along: 1)
        }
    }
}

extension TokenTensors {
    /// What is added to scores so that padding is not seen: `[N, T]` → `[N, 1, 1, T]`.
    static func addedToScores(_ attentionMask: Tensor) -> Tensor {
        ((1 - attentionMask.cast(to: .float32)) * -1e9)
            .reshaped(attentionMask.shape[0], 1, 1, attentionMask.shape[1])
    }
}
