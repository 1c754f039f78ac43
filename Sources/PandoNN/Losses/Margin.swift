import PandoTensor

/// The mean of `max(0, margin - target · score)`.
///
/// - Shapes: `scores`, `targets` (1 or -1) equal → scalar.
public func hingeLoss(_ scores: Tensor, _ targets: Tensor, margin: Float = 1) -> Tensor {
    require(scores.shape == targets.shape, "hinge: scores \(scores.shape), targets \(targets.shape)")
    return (margin - scores * targets).relu().mean()
}

/// The mean over examples of `Σ_{k≠t} max(0, margin - x_t + x_k) / K`: every wrong class should stay `margin` behind.
///
/// - Shapes: `scores` `[N, K]`, `targets` N class numbers → scalar.
/// - Source: Crammer and Singer 2001; PyTorch's `multi_margin_loss`.
public func hingeLoss(_ scores: Tensor, _ targets: [Int], margin: Float = 1) -> Tensor {
    require(
        scores.rank == 2 && scores.shape[0] == targets.count && !targets.isEmpty,
        "hinge: scores \(scores.shape) do not fit \(targets.count) targets")
    let right = scores.picked(at: targets).expanded(at: 1)  // [N, 1]
    // The right class itself adds `margin`, which is taken off again.
    return (scores - right + margin).relu().mean() - margin / Float(scores.shape[1])
}

/// The mean of `max(0, margin - target · (first - second))`: the first should rank higher where the target is 1, lower
/// where it is -1.
///
/// - Shapes: equal → scalar.
public func marginRankingLoss(_ first: Tensor, _ second: Tensor, _ targets: Tensor, margin: Float = 0) -> Tensor {
    require(
        first.shape == second.shape && first.shape == targets.shape,
        "margin ranking: \(first.shape), \(second.shape), targets \(targets.shape)")
    return (margin - targets * (first - second)).relu().mean()
}

/// `1 - cos` of pairs that belong together, `max(0, cos - margin)` of pairs that do not, averaged.
///
/// - Shapes: `left`, `right` `[N, C]`, `targets` (1 together, -1 apart) `[N]` → scalar.
/// - Source: PyTorch's `cosine_embedding_loss`, with its 1e-12 added to the squared lengths.
public func cosineEmbeddingLoss(_ left: Tensor, _ right: Tensor, _ targets: Tensor, margin: Float = 0) -> Tensor {
    require(
        left.rank == 2 && left.shape == right.shape && targets.shape == [left.shape[0]],
        "cosine embedding: \(left.shape), \(right.shape), targets \(targets.shape)")
    func squaredLength(_ x: Tensor) -> Tensor { x.squared().sum(along: [1]) + 1e-12 }
    let cosine = (left * right).sum(along: [1]) / (squaredLength(left) * squaredLength(right)).squareRoot()
    let together = (targets + 1) * 0.5
    return (together * (1 - cosine) + (1 - together) * (cosine - margin).relu()).mean()
}
