import PandoTensor

/// The mean of `max(0, ‖a - p‖ - ‖a - n‖ + margin)`: an anchor should be nearer to its positive than to its negative.
///
/// - Parameter swapsDistances: takes the negative's distance from the positive where it is nearer to that than to the
///   anchor (Balntas et al. 2016).
/// - Shapes: all `[N, C]` → scalar.
/// - Source: Schroff et al. 2015, FaceNet (arXiv:1503.03832), equation 2, with lengths in place of squares; PyTorch's
///   `triplet_margin_loss`, with its 1e-6 added to differences.
public func tripletLoss(
    anchors: Tensor, positives: Tensor, negatives: Tensor, margin: Float = 1, swapsDistances: Bool = false
) -> Tensor {
    require(
        anchors.rank == 2 && anchors.shape == positives.shape && anchors.shape == negatives.shape,
        "triplet: anchors \(anchors.shape), positives \(positives.shape), negatives \(negatives.shape)")
    let near = distances(anchors, positives)
    var far = distances(anchors, negatives)
    if swapsDistances { far = .minimum(far, distances(positives, negatives)) }
    return (near - far + margin).relu().mean()
}

/// The triplet loss of every embedding with the farthest of its own label and the nearest of another.
///
/// Embeddings whose label nobody else has, or everybody has, are no anchors; without anchors the loss is 0.
/// - Shapes: `embeddings` `[N, C]`, `labels` N numbers → scalar.
/// - Source: Hermans et al. 2017, In Defense of the Triplet Loss (arXiv:1703.07737), equation 5.
public func hardestTripletLoss(_ embeddings: Tensor, labels: [Int], margin: Float = 1) -> Tensor {
    require(
        embeddings.rank == 2 && embeddings.shape[0] == labels.count,
        "triplet: embeddings \(embeddings.shape) do not fit \(labels.count) labels")
    let (anchors, positives, negatives) = hardestTriplets(embeddings.detached, labels)
    if anchors.isEmpty { return (embeddings * 0).sum() }
    func rows(_ indices: [Int]) -> Tensor { embeddings.gathered(at: Tensor(indices.map(Int64.init))) }
    return tripletLoss(
        anchors: rows(anchors), positives: rows(positives), negatives: rows(negatives), margin: margin)
}

private func hardestTriplets(_ embeddings: Tensor, _ labels: [Int]) -> (anchors: [Int], positives: [Int], negatives: [Int]) {
    let count = labels.count
    let lengths = embeddings.squared().sum(along: [1])
    let products = matmul(embeddings, embeddings.transposed)
    let squares = (lengths.expanded(at: 1) + lengths.expanded(at: 0) - products * 2).cast(to: .float32).scalars()
    var found: (anchors: [Int], positives: [Int], negatives: [Int]) = ([], [], [])
    for anchor in 0..<count {
        func distance(_ other: Int) -> Float { squares[anchor * count + other] }
        let others = (0..<count).filter { $0 != anchor }
        guard
            let positive = others.filter({ labels[$0] == labels[anchor] }).max(by: { distance($0) < distance($1) }),
            let negative = others.filter({ labels[$0] != labels[anchor] }).min(by: { distance($0) < distance($1) })
        else { continue }
        found.anchors.append(anchor)
        found.positives.append(positive)
        found.negatives.append(negative)
    }
    return found
}

/// `‖x - y + 1e-6‖` of each row.
private func distances(_ x: Tensor, _ y: Tensor) -> Tensor {
    (x - y + 1e-6).squared().sum(along: [1]).squareRoot()
}
