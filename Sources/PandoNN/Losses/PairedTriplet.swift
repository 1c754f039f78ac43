import PandoTensor

/// How far other pairs' partners come within `margin` of the own one: `max(0, margin - s(a, p) + s(a, n))`, in both
/// directions, over all of the batch's negatives or the hardest of each row and column.
///
/// Embeddings that know nothing yet collapse under the hardest negatives alone; training begins with all of them.
/// - Shapes: `left`, `right` `[N, C]` of length 1, row by row partners → scalar, the mean over the pairs.
/// - Source: Faghri et al. 2018, VSE++ (arXiv:1707.05612): sum and maximum of hinges. Its code sums over the pairs.
public func pairedTripletLoss(_ left: Tensor, _ right: Tensor, margin: Float = 0.2, hardestOnly: Bool = true) -> Tensor {
    require(
        left.rank == 2 && left.shape == right.shape && left.shape[0] > 0,
        "paired triplet: embeddings \(left.shape) and \(right.shape) do not pair")
    let count = left.shape[0]
    let similarities = matmul(left, right.transposed)  // [N, N]
    let own = (left * right).sum(along: [1])
    let others = 1 - Tensor.eye(count).cast(to: left.elementType)
    func loss(_ own: Tensor, negativesAlong axis: Int) -> Tensor {
        let hinges = (similarities - own + margin).relu() * others
        return (hardestOnly ? hinges.max(along: axis) : hinges.sum(along: [axis])).sum()
    }
    return (loss(own.expanded(at: 1), negativesAlong: 1) + loss(own.expanded(at: 0), negativesAlong: 0)) / Float(count)
}
