import PandoTensor

/// The mean negative log-likelihood of the right classes.
///
/// With `classWeights`, each example counts as much as its class weighs and the mean is weighted, as in PyTorch.
/// `labelSmoothing` spreads that share of the target evenly over all classes.
/// - Shapes: `logits` `[N, K]`, `targets` `N` class numbers, `classWeights` `[K]` → scalar.
public func crossEntropy(
    _ logits: Tensor, _ targets: [Int], classWeights: Tensor? = nil, labelSmoothing: Float = 0
) -> Tensor {
    require(
        logits.rank == 2 && logits.shape[0] == targets.count && !targets.isEmpty,
        "cross entropy: logits \(logits.shape) do not fit \(targets.count) targets")
    let classes = logits.shape[1]
    let logarithms = logits.logSoftmax()
    let weights = classWeights ?? .ones([classes])
    let exampleWeights = weights.gathered(at: Tensor(targets.map(Int64.init)))
    let total = exampleWeights.sum()
    let right = (logarithms.picked(at: targets) * exampleWeights).sum() / total * (labelSmoothing - 1)
    if labelSmoothing == 0 { return right }
    let spread = (logarithms * weights).sum() / total * (labelSmoothing / Float(classes))
    return right - spread
}

/// The mean binary cross entropy of independent labels.
///
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
    // -log σ(x) = softplus(-x) and -log(1 - σ(x)) = softplus(x)
    let missed = targets * (-logits).softplus()
    let loss = (positiveWeights.map { missed * $0 } ?? missed) + (1 - targets) * logits.softplus()
    guard let mask else { return loss.mean() }
    return (loss * mask).sum() / mask.sum().clamped(1, .infinity)
}

/// Binary cross entropy that turns away from easy examples: `α_t (1 - p_t)^γ · BCE`, averaged.
///
/// - Shapes: `logits`, `targets` `[N, K]` → scalar.
/// - Source: Lin et al. 2017, Focal Loss (arXiv:1708.02002), equation 5. A negative `alpha` weighs both sides alike.
public func focalLoss(_ logits: Tensor, _ targets: Tensor, alpha: Float = 0.25, gamma: Float = 2) -> Tensor {
    require(logits.shape == targets.shape, "focal loss: logits \(logits.shape), targets \(targets.shape)")
    let entropy = targets * (-logits).softplus() + (1 - targets) * logits.softplus()
    let probability = logits.sigmoid()
    let wrong = probability + targets - 2 * (probability * targets)  // 1 - p_t
    var loss = entropy * wrong.power(gamma)
    if alpha >= 0 { loss = loss * (targets * (2 * alpha - 1) + (1 - alpha)) }
    return loss.mean()
}
