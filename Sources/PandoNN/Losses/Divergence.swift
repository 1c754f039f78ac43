import PandoTensor

/// The Kullback–Leibler divergence of the predicted distributions from the target ones, averaged over rows:
/// `Σₖ tₖ (log tₖ - log pₖ)`; a target of zero adds nothing.
///
/// - Shapes: `logProbabilities` (natural logarithms), `targets` (shares) `[…, K]` → scalar.
/// - Source: PyTorch's `kl_div` with `batchmean`, which however divides by the size of the first axis alone.
public func klDivergence(_ logProbabilities: Tensor, _ targets: Tensor) -> Tensor {
    require(
        logProbabilities.shape == targets.shape && targets.rank >= 1 && targets.elementCount > 0,
        "KL divergence: log-probabilities \(logProbabilities.shape), targets \(targets.shape)")
    let logarithms = targets.clamped(.leastNormalMagnitude, .infinity).log()
    let rows = targets.elementCount / targets.shape[targets.rank - 1]
    return (targets * (logarithms - logProbabilities)).sum() / Float(rows)
}

/// How far a student's softened predictions are from a teacher's: `T² · KL(softmax(teacher / T) ‖ softmax(logits / T))`,
/// averaged over rows. The factor keeps the gradients' size independent of T.
///
/// Gradients flow to the student alone.
/// - Shapes: `logits`, `teacher` `[…, K]` → scalar.
/// - Source: Hinton et al. 2015, Distilling the Knowledge in a Neural Network (arXiv:1503.02531), section 2.
public func distillationLoss(_ logits: Tensor, teacher: Tensor, temperature: Float = 1) -> Tensor {
    require(
        logits.shape == teacher.shape && logits.rank >= 1 && logits.elementCount > 0,
        "distillation: logits \(logits.shape), the teacher's \(teacher.shape)")
    require(temperature > 0, "distillation: temperature \(temperature) is not positive")
    let expected = (teacher.detached / temperature).logSoftmax()
    let found = (logits / temperature).logSoftmax()
    let rows = logits.elementCount / logits.shape[logits.rank - 1]
    return (expected.exp() * (expected - found)).sum() * (temperature * temperature / Float(rows))
}
