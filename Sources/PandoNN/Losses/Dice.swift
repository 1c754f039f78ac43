import PandoTensor

/// One less the overlap of predicted and true regions, `(2 Σ p t + s) / (Σ p + Σ t + s)`, averaged over examples and
/// classes; the sums run over the places of one map.
///
/// - Parameter smoothing: s; keeps a class that is nowhere from dividing by zero, its loss is then 0.
/// - Shapes: `probabilities`, `targets` (0…1) `[N, …, K]` → scalar.
/// - Source: Milletari et al. 2016, V-Net (arXiv:1606.04797), section 3; the sums in the denominator are not of squares.
public func diceLoss(_ probabilities: Tensor, _ targets: Tensor, smoothing: Float = 1) -> Tensor {
    require(
        probabilities.shape == targets.shape && probabilities.rank >= 3 && probabilities.elementCount > 0,
        "dice: probabilities \(probabilities.shape), targets \(targets.shape), expected [N, …, K]")
    let places = Array(1..<probabilities.rank - 1)
    let common = (probabilities * targets).sum(along: places)
    let total = probabilities.sum(along: places) + targets.sum(along: places)
    return 1 - ((common * 2 + smoothing) / (total + smoothing)).mean()
}
