import PandoTensor

/// A convolution over one, two or three axes, whose sizes may differ among them.
///
/// Computes in the element type of its input: weights kept in `float32` serve a `bfloat16` pass.
/// - Shapes: `[N, …, I]` → `[N, …, O]`; `weight` `[O, I / groups, k…]` with a size for each spatial axis `…`, `bias`
///   `[O]`.
public struct Convolution: Module {
    public var weight: Tensor
    public var bias: Tensor?
    /// One for each spatial axis, or one for all; so are the dilations.
    public let stride: [Int]
    public let padding: Padding
    public let dilation: [Int]
    public let groups: Int

    public init(
        weight: Tensor, bias: Tensor? = nil, stride: [Int] = [1], padding: Padding = Padding(0), dilation: [Int] = [1],
        groups: Int = 1
    ) {
        self.weight = weight
        self.bias = bias
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
    }

    /// A convolution whose weights are about to be loaded: zeros, over as many axes as `kernel` has sizes.
    public init(
        _ inChannels: Int, _ outChannels: Int, kernel: [Int], stride: [Int] = [1], padding: Padding = Padding(0),
        dilation: [Int] = [1], groups: Int = 1, bias: Bool = true
    ) {
        require(
            inChannels % groups == 0 && outChannels % groups == 0,
            "Convolution: \(groups) groups do not divide \(inChannels) → \(outChannels) channels")
        self.init(
            weight: .zeros([outChannels, inChannels / groups] + kernel), bias: bias ? .zeros([outChannels]) : nil,
            stride: stride, padding: padding, dilation: dilation, groups: groups)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.convolved(
            with: weight.cast(to: x.elementType), bias: bias, stride: stride, padding: padding, dilation: dilation,
            groups: groups)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
    }
}
