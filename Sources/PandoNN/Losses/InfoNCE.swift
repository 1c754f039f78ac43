import PandoTensor

/// The symmetric contrastive loss of paired embeddings: each row must find its partner among all rows of the batch.
///
/// - Shapes: `left`, `right` `[N, C]` of length 1, `scale` a scalar (the inverse temperature) → scalar.
/// - Source: Radford et al. 2021, CLIP (arXiv:2103.00020), figure 3.
public func infoNCE(_ left: Tensor, _ right: Tensor, scale: Tensor) -> Tensor {
    require(
        left.shape == right.shape && left.rank == 2 && left.shape[0] > 0,
        "InfoNCE: embeddings \(left.shape) and \(right.shape) do not pair")
    let similarities = matmul(left, right.transposed) * scale  // [N, N]
    let partners = Array(0..<left.shape[0])
    return (crossEntropy(similarities, partners) + crossEntropy(similarities.transposed.contiguous(), partners)) * 0.5
}
