import PandoTensor

/// The mean negative log-likelihood of the right classes.
///
/// With `classWeights`, each example counts as much as its class weighs and the mean is weighted, as in PyTorch.
/// `labelSmoothing` spreads that share of the target evenly over all classes. Gradients flow to the logits alone.
/// - Parameter ignored: a class number that marks examples without a label; they do not count. A batch of such examples
///   alone has the loss 0, where PyTorch's is not a number.
/// - Shapes: `logits` `[…, K]`, `targets` one class number for each row, `classWeights` `[K]` → scalar.
public func crossEntropy(
    _ logits: Tensor, _ targets: [Int], classWeights: Tensor? = nil, labelSmoothing: Float = 0, ignored: Int? = nil
) -> Tensor {
    require(
        logits.rank >= 2 && logits.elementCount == targets.count * logits.shape[logits.rank - 1] && !targets.isEmpty,
        "cross entropy: logits \(logits.shape) do not fit \(targets.count) targets")
    require((0...1).contains(labelSmoothing), "cross entropy: label smoothing \(labelSmoothing) is outside 0...1")
    let classes = logits.shape[logits.rank - 1]
    requireClassWeights(classWeights, classes)
    let numbers = targets.map { target in
        if target == ignored { return Int64(-1) }
        require((0..<classes).contains(target), "cross entropy: class \(target) is outside 0..<\(classes)")
        return Int64(target)
    }
    return logits.reshaped([targets.count, classes])
        .crossEntropy(Tensor(numbers), weights: classWeights ?? .ones([classes]), smoothing: labelSmoothing)
}

/// The mean cross entropy between shares of the classes and the predicted probabilities: `-Σₖ wₖ tₖ log pₖ`.
///
/// Gradients flow to the logits alone. The weighted sum is divided by the number of rows, as in PyTorch.
/// - Shapes: `logits`, `shares` `[…, K]`, `classWeights` `[K]` → scalar.
public func crossEntropy(
    _ logits: Tensor, shares: Tensor, classWeights: Tensor? = nil, labelSmoothing: Float = 0
) -> Tensor {
    require(
        logits.rank >= 2 && logits.shape == shares.shape && logits.elementCount > 0,
        "cross entropy: logits \(logits.shape), shares \(shares.shape)")
    let classes = logits.shape[logits.rank - 1]
    requireClassWeights(classWeights, classes)
    var aims = shares.detached.cast(to: .float32)
    if labelSmoothing != 0 { aims = aims * (1 - labelSmoothing) + labelSmoothing / Float(classes) }
    if let classWeights { aims = aims * classWeights }
    return logits.reshaped([-1, classes]).softCrossEntropy(aims.reshaped([-1, classes]))
}

private func requireClassWeights(_ weights: Tensor?, _ classes: Int) {
    require(
        weights.map { $0.shape == [classes] } ?? true,
        "cross entropy: class weights \(weights?.shape ?? []) do not fit \(classes) classes")
}
