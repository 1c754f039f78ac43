import PandoTensor

/// A table of vectors, looked up by row.
///
/// - Shapes: `int64` indices `[…]` → `[…, C]`; `weight` `[rows, C]`.
public struct Embedding: Module {
    public var weight: Tensor

    public init(weight: Tensor) { self.weight = weight }

    /// A table whose weights are about to be loaded.
    public init(rows: Int, features: Int) { weight = .placeholder([rows, features]) }

    public func callAsFunction(_ indices: Tensor) -> Tensor { weight.gathered(at: indices) }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.parameter("weight", &weight) }
}
