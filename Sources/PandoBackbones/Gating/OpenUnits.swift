import PandoNN
import PandoTensor

/// Units of a gated part that stay open, and what they are scaled by.
///
/// Units stand between two layers of a block: attention heads, neurons of a perceptron, inner channels of convolutions. The
/// first layer makes them, the second adds up what each of them contributes.
public struct OpenUnits: Sendable, Hashable {
    /// In the order in which they are kept.
    public let units: [Int]
    /// What the second layer's weights are multiplied by.
    public let scale: Float

    /// - Precondition: at least one unit, none twice.
    public init(_ units: [Int], scale: Float = 1) {
        require(!units.isEmpty && Set(units).count == units.count, "OpenUnits: \(units) are empty or repeat one")
        (self.units, self.scale) = (units, scale)
    }

    /// How many units are open.
    public var count: Int { units.count }

    /// The same for units that each consist of `size` neighbours.
    func expanded(by size: Int) -> OpenUnits {
        size == 1 ? self : OpenUnits(units.flatMap { $0 * size..<($0 + 1) * size }, scale: scale)
    }

    /// Whether all of `total` units are open, in their own order.
    func isWhole(of total: Int) -> Bool { count == total && isPrefix }

    private var isPrefix: Bool { units.indices.allSatisfy { units[$0] == $0 } }

    /// What belongs to the open units along `axis`.
    func of(_ tensor: Tensor, along axis: Int = 0) -> Tensor {
        if isWhole(of: tensor.shape[axis]) { return tensor }
        if isPrefix { return tensor.slice(0..<count, along: axis) }
        return tensor.gathered(at: Tensor(units.map(Int64.init)), along: axis)
    }

    /// The weights of the layer that adds up the units, which stand along `axis`.
    func scaled(_ weight: Tensor, along axis: Int) -> Tensor {
        scale == 1 ? of(weight, along: axis) : of(weight, along: axis) * scale
    }
}

extension Linear {
    /// The layer that makes the open units only.
    func making(_ open: OpenUnits) -> Linear {
        requireNoAdapter()
        return Linear(weight: open.of(weight), bias: bias.map { open.of($0) })
    }

    /// The layer that adds up the open units only; its bias belongs to no unit.
    func adding(_ open: OpenUnits) -> Linear {
        requireNoAdapter()
        return Linear(weight: open.scaled(weight, along: 1), bias: bias)
    }

    private func requireNoAdapter() {
        require(adapter == nil, "Linear: units of a layer with an adapter cannot be closed; merge it first")
    }
}

extension Convolution2D {
    /// The convolution that makes the open channels only.
    func making(_ open: OpenUnits) -> Convolution2D { replacing(open.of(weight), bias.map { open.of($0) }) }

    /// The convolution that adds up the open channels only.
    func adding(_ open: OpenUnits) -> Convolution2D { replacing(open.scaled(weight, along: 1), bias) }

    /// The open channels of a depthwise convolution.
    func keeping(_ open: OpenUnits) -> Convolution2D {
        require(groups == weight.shape[0], "Convolution2D: only of a depthwise convolution channels are kept")
        return replacing(open.of(weight), bias.map { open.of($0) }, groups: open.count)
    }

    private func replacing(_ weight: Tensor, _ bias: Tensor?, groups: Int? = nil) -> Convolution2D {
        require(adapter == nil, "Convolution2D: channels of a layer with an adapter cannot be closed; merge it first")
        return Convolution2D(weight: weight, bias: bias, stride: stride, frame: frame, groups: groups ?? self.groups)
    }
}

extension BatchNorm {
    /// The norm of the open channels.
    func keeping(_ open: OpenUnits) -> BatchNorm {
        var norm = self
        (norm.weight, norm.bias) = (open.of(weight), open.of(bias))
        (norm.runningMean, norm.runningVariance) = (open.of(runningMean), open.of(runningVariance))
        return norm
    }
}

extension ConvolutionBlock {
    mutating func make(_ open: OpenUnits) { (convolution, norm) = (convolution.making(open), norm.keeping(open)) }
    mutating func keep(_ open: OpenUnits) { (convolution, norm) = (convolution.keeping(open), norm.keeping(open)) }
    mutating func add(_ open: OpenUnits) { convolution = convolution.adding(open) }
}
