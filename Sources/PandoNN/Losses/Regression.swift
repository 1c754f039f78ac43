import PandoTensor

/// The mean squared distance.
///
/// - Shapes: equal → scalar.
public func meanSquaredError(_ predictions: Tensor, _ targets: Tensor) -> Tensor {
    difference(predictions, targets, "mean squared error").squared().mean()
}

/// The mean absolute distance, PyTorch's `l1_loss`.
///
/// - Shapes: equal → scalar.
public func meanAbsoluteError(_ predictions: Tensor, _ targets: Tensor) -> Tensor {
    difference(predictions, targets, "mean absolute error").absolute().mean()
}

/// The mean Huber loss divided by `beta`: `d² / 2β` for distances d below `beta`, `d - β/2` above.
///
/// - Shapes: equal → scalar.
/// - Source: Girshick 2015, Fast R-CNN (arXiv:1504.08083), equation 3, with PyTorch's `beta`.
public func smoothL1(_ predictions: Tensor, _ targets: Tensor, beta: Float = 1) -> Tensor {
    require(beta > 0, "smooth L1: beta \(beta) is not positive")
    let distance = difference(predictions, targets, "smooth L1").absolute()
    let near = distance.clamped(0, beta)
    // With n = min(d, β) both cases are n²/2β + (d - n).
    return (near.squared() * (0.5 / beta) + (distance - near)).mean()
}

/// The mean of `d² / 2` for distances d below `delta`, `δ (d - δ/2)` above.
///
/// - Shapes: equal → scalar.
/// - Source: Huber 1964, Robust Estimation of a Location Parameter.
public func huberLoss(_ predictions: Tensor, _ targets: Tensor, delta: Float = 1) -> Tensor {
    require(delta > 0, "Huber loss: delta \(delta) is not positive")
    return smoothL1(predictions, targets, beta: delta) * delta
}

private func difference(_ predictions: Tensor, _ targets: Tensor, _ loss: String) -> Tensor {
    require(predictions.shape == targets.shape, "\(loss): predictions \(predictions.shape), targets \(targets.shape)")
    return predictions - targets
}
