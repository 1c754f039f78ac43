import PandoTensor

/// Norm over each sample's pixels and groups of neighbouring channels.
///
/// - Shapes: `[N, …, C]` → the same; `weight` and `bias` `[C]`.
/// - Source: Wu and He 2018 (arXiv:1803.08494), section 3.
public struct GroupNorm: Module {
    public var weight: Tensor
    public var bias: Tensor
    public let groups: Int
    public let epsilon: Float

    public init(groups: Int, _ channels: Int, epsilon: Float = 1e-5) {
        require(
            groups >= 1 && channels % groups == 0, "GroupNorm: \(groups) groups do not divide \(channels) channels")
        weight = .ones([channels])
        bias = .zeros([channels])
        self.groups = groups
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.groupNormalized(groups: groups, weight: weight, bias: bias, epsilon: epsilon)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
    }
}
