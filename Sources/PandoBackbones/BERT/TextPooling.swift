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
        case .mean:
            let count = present.sum(along: [1]).clamped(1e-9, .infinity)
            return (self * present.cast(to: elementType)).sum(along: [1]) / count.cast(to: elementType)
        case .max: return (self + ((1 - present) * -1e9).cast(to: elementType)).max(along: 1)
        }
    }
}
