import PandoTensor

/// The mean Huber loss divided by `beta`: quadratic below `beta`, linear above.
///
/// - Shapes: equal → scalar.
/// - Source: Girshick 2015, Fast R-CNN (arXiv:1504.08083), equation 3, with PyTorch's `beta`.
public func smoothL1(_ predictions: Tensor, _ targets: Tensor, beta: Float = 1) -> Tensor {
    require(
        predictions.shape == targets.shape,
        "smooth L1: predictions \(predictions.shape), targets \(targets.shape)")
    require(beta > 0, "smooth L1: beta \(beta) is not positive")
    let distance = (predictions - targets).absolute()
    let near = distance.clamped(0, beta)
    // Below beta: d²/2β. Above: d - β/2. With n = min(d, β) both are n²/2β + (d - n).
    return (near.squared() * (0.5 / beta) + (distance - near)).mean()
}

/// The mean squared distance.
///
/// - Shapes: equal → scalar.
public func meanSquaredError(_ predictions: Tensor, _ targets: Tensor) -> Tensor {
    require(
        predictions.shape == targets.shape,
        "mean squared error: predictions \(predictions.shape), targets \(targets.shape)")
    return (predictions - targets).squared().mean()
}
