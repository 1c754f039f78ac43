import PandoTensor

/// A two-dimensional convolution over maps.
///
/// Computes in the element type of its input: weights kept in `float32` serve a `bfloat16` pass.
/// - Shapes: `[N, H, W, I]` → `[N, H', W', O]`; `weight` `[O, I / groups, h, w]`, `bias` `[O]`.
public struct Convolution2D: Module {
    /// How the map is framed with zeros.
    public enum Frame: Hashable, Sendable {
        /// The same number of pixels on all sides.
        case fixed(Int)
        /// As many pixels above and on the left, and below and on the right.
        case uneven(before: Int, after: Int)
        /// TensorFlow's "same": as many as make the output `ceil(size / stride)`, the odd one last.
        case same
    }

    public var weight: Tensor
    public var bias: Tensor?
    /// Changes what the layer gives; owned by whoever trains it, and so not visited.
    public var adapter: (any ConvolutionAdapter)?
    public let stride: Int
    public let frame: Frame
    public let groups: Int

    public init(weight: Tensor, bias: Tensor? = nil, stride: Int = 1, frame: Frame = .fixed(0), groups: Int = 1) {
        self.weight = weight
        self.bias = bias
        self.stride = stride
        self.frame = frame
        self.groups = groups
    }

    /// A convolution whose weights are about to be loaded or drawn: zeros of the right shape.
    public init(
        _ inChannels: Int, _ outChannels: Int, kernel: Int, stride: Int = 1, frame: Frame? = nil, groups: Int = 1,
        bias: Bool = false
    ) {
        require(
            inChannels % groups == 0 && outChannels % groups == 0,
            "Convolution2D: \(groups) groups do not divide \(inChannels) → \(outChannels) channels")
        self.init(
            weight: .placeholder([outChannels, inChannels / groups, kernel, kernel]),
            bias: bias ? .zeros([outChannels]) : nil, stride: stride,
            frame: frame ?? .fixed((kernel - 1) / 2), groups: groups)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        if let adapter { return adapter.output(of: plain, for: x) }
        let padding: Padding
        switch frame {
        case .fixed(let pixels): padding = Padding(pixels)
        case .uneven(let before, let after): padding = Padding(before: [before], after: [after])
        case .same: padding = .same(height: x.shape[1], width: x.shape[2], kernel: weight.shape[2], stride: stride)
        }
        return x.convolved(
            with: weight.cast(to: x.elementType), bias: bias, stride: stride, padding: padding, groups: groups)
    }

    /// The layer without its adapter.
    private var plain: Convolution2D {
        var plain = self
        plain.adapter = nil
        return plain
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
    }
}
