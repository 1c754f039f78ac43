/// Scaled dot-product attention: `softmax(q · kᵀ / √D + mask) · v`.
///
/// - Shapes: `query` `[B, heads, N, D]`, `key` and `value` `[B, heads, M, D]`; `mask` broadcasts to
///   `[B, heads, N, M]` and is added to the scores (0 keeps, a large negative number hides) → `[B, heads, N, D]`.
/// - Source: Vaswani et al. 2017, "Attention Is All You Need" (arXiv:1706.03762), equation 1.
public func attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor? = nil) -> Tensor {
    require(
        query.rank == 4 && key.rank == 4 && value.rank == 4 && query.shape[3] == key.shape[3]
            && key.shape[2] == value.shape[2],
        "attention: query \(query.shape), key \(key.shape) and value \(value.shape) do not fit [B, heads, N, D]")
    let scale = 1 / Float(query.shape[3]).squareRoot()
    var scores = matmul(query * scale, key.transposed)  // [B, heads, N, M]
    if let mask { scores = scores + mask }
    return matmul(scores.softmax(), value)
}
