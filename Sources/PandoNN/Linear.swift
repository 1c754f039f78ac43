import PandoTensor

/// An affine map of the last axis: `x · weightᵀ + bias`.
///
/// Computes in the element type of its input: weights kept in `float32` serve a `bfloat16` pass.
/// - Shapes: `[…, in]` → `[…, out]`; `weight` `[out, in]`, `bias` `[out]`.
public struct Linear: Module {
    public var weight: Tensor
    public var bias: Tensor?
    /// Changes what the layer gives; owned by whoever trains it, and so not visited.
    public var adapter: (any LinearAdapter)?

    public var inFeatures: Int { weight.shape[1] }
    public var outFeatures: Int { weight.shape[0] }

    /// - Precondition: `weight` has two axes, `bias` as many elements as `weight` has rows.
    public init(weight: Tensor, bias: Tensor? = nil) {
        require(weight.rank == 2, "Linear: weight has shape \(weight.shape), expected [out, in]")
        require(
            bias.map { $0.shape == [weight.shape[0]] } ?? true,
            "Linear: bias has shape \(bias?.shape ?? []), expected [\(weight.shape[0])]")
        self.weight = weight
        self.bias = bias
    }

    /// Uniform in ±1/√in, as PyTorch begins.
    public init(_ inFeatures: Int, _ outFeatures: Int, bias: Bool = true, using generator: inout some RandomNumberGenerator) {
        let bound = 1 / Float(max(inFeatures, 1)).squareRoot()
        weight = .uniform(-bound..<bound, [outFeatures, inFeatures], using: &generator)
        self.bias = bias ? .uniform(-bound..<bound, [outFeatures], using: &generator) : nil
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        if let adapter { return adapter.output(of: plain, for: x) }
        return linear(x, weight: weight.cast(to: x.elementType), bias: bias)
    }

    /// The layer without its adapter.
    private var plain: Linear {
        var plain = self
        plain.adapter = nil
        return plain
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
    }
}
