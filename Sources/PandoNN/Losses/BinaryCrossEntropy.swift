import PandoTensor

/// The mean binary cross entropy of independent labels.
///
/// Gradients flow to the logits alone.
/// - Parameters:
///   - positiveWeights: how many times a positive counts, per label `[K]`.
///   - mask: 1 where a label is known, 0 where it is missing; missing ones do not count, nor does the mean see them.
/// - Shapes: `logits`, `targets`, `mask` `[N, K]` → scalar.
public func binaryCrossEntropy(
    _ logits: Tensor, _ targets: Tensor, positiveWeights: Tensor? = nil, mask: Tensor? = nil
) -> Tensor {
    require(
        logits.shape == targets.shape,
        "binary cross entropy: logits \(logits.shape), targets \(targets.shape)")
    let count = mask.map { max($0.detached.cast(to: .float32).broadcast(to: logits.shape).sum().scalar(), 1) }
    return logits.binaryCrossEntropy(
        targets, positiveWeights: positiveWeights, mask: mask, count: count ?? Float(logits.elementCount))
}

/// Binary cross entropy that turns away from easy examples: `α_t (1 - p_t)^γ · BCE`, averaged.
///
/// Gradients flow to the logits alone.
/// - Shapes: `logits`, `targets` `[N, K]` → scalar.
/// - Source: Lin et al. 2017, Focal Loss (arXiv:1708.02002), equation 5. A negative `alpha` weighs both sides alike.
public func focalLoss(_ logits: Tensor, _ targets: Tensor, alpha: Float = 0.25, gamma: Float = 2) -> Tensor {
    require(logits.shape == targets.shape, "focal loss: logits \(logits.shape), targets \(targets.shape)")
    require(gamma >= 0, "focal loss: gamma \(gamma) is negative")
    return logits.focalLoss(targets, alpha: alpha < 0 ? nil : alpha, gamma: gamma)
}
