import PandoTensor

/// The loss of a sequence of labels whose place in the input is not known: `-log p(target)` over all alignments,
/// divided by the target's length, averaged.
///
/// - Parameters:
///   - logProbabilities: after `logSoftmax`.
///   - targets: the labels of each sequence, without blanks.
///   - lengths: steps of each sequence; all `T` if there are none.
///   - blank: the class that stands for no label.
///   - ignoringInfinity: whether a target that is too long for its steps costs nothing, instead of infinity.
/// - Shapes: `logProbabilities` `[N, T, K]` → scalar.
/// - Source: Graves et al. 2006, "Connectionist Temporal Classification", section 4; averaged as in PyTorch.
public func ctcLoss(
    _ logProbabilities: Tensor, _ targets: [[Int]], lengths: [Int]? = nil, blank: Int = 0,
    ignoringInfinity: Bool = false
) -> Tensor {
    require(
        logProbabilities.rank == 3 && !targets.isEmpty,
        "CTC: logarithms \(logProbabilities.shape) are not [N, T, K], or there are no targets")
    let losses = logProbabilities.alignmentLosses(
        targets: targets, lengths: lengths ?? targets.map { _ in logProbabilities.shape[1] }, blank: blank,
        ignoringInfinity: ignoringInfinity)
    return (losses * Tensor(targets.map { 1 / Float(max($0.count, 1)) })).mean()
}
