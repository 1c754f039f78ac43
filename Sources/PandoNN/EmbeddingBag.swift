import PandoTensor

/// A table of vectors, looked up by row and reduced in bags.
///
/// - Shapes: `int64` indices `[B, L]`, or `[L]` with offsets `[B]` → `[B, C]`; `weight` `[rows, C]`.
public struct EmbeddingBag: Module {
    public var weight: Tensor
    public let reduction: BagReduction

    public init(weight: Tensor, reducing reduction: BagReduction = .mean) {
        self.weight = weight
        self.reduction = reduction
    }

    /// A table whose weights are about to be loaded.
    public init(rows: Int, features: Int, reducing reduction: BagReduction = .mean) {
        self.init(weight: .zeros([rows, features]), reducing: reduction)
    }

    /// - Parameter weights: what each row is multiplied by; for sums only.
    public func callAsFunction(_ indices: Tensor, offsets: Tensor? = nil, weights: Tensor? = nil) -> Tensor {
        weight.embeddingBag(at: indices, offsets: offsets, reducing: reduction, weights: weights)
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.parameter("weight", &weight) }
}
