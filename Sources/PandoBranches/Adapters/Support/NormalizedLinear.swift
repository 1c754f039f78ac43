import PandoNN
import PandoTensor

/// A linear layer and a layer norm of what it gives.
///
/// - Shapes: `[…, in]` → `[…, out]`.
public struct NormalizedLinear: Module {
    public var linear: Linear
    public var norm: LayerNorm

    public init(
        _ inFeatures: Int, _ outFeatures: Int, epsilon: Float = 1e-5, using generator: inout SeededGenerator
    ) {
        linear = Linear(inFeatures, outFeatures, using: &generator)
        norm = LayerNorm(outFeatures, epsilon: epsilon)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { norm(linear(x)) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("linear", &linear)
        visitor.module("norm", &norm)
    }
}

/// A linear layer over the channels of maps, a point-wise convolution, and a batch norm of what it gives.
///
/// - Shapes: `[N, …, in]` → `[N, …, out]`.
public struct BatchNormalizedLinear: Module {
    public var linear: Linear
    public var norm: BatchNorm

    public init(_ inFeatures: Int, _ outFeatures: Int, using generator: inout SeededGenerator) {
        linear = Linear(inFeatures, outFeatures, using: &generator)
        norm = BatchNorm(outFeatures)
    }

    public func callAsFunction(_ x: Tensor, during pass: TrainingPass?) -> Tensor { norm(linear(x), during: pass) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("linear", &linear)
        visitor.module("norm", &norm)
    }
}
