import PandoTensor

/// Norm by the root mean square of the last axis.
///
/// - Shapes: `[…, C]` → the same; `weight` `[C]`.
/// - Source: Zhang and Sennrich 2019 (arXiv:1910.07467), equation 4.
public struct RMSNorm: Module {
    public var weight: Tensor
    public let epsilon: Float

    public init(_ features: Int, epsilon: Float = 1e-6) {
        weight = .ones([features])
        self.epsilon = epsilon
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { x.rmsNormalized(weight: weight, epsilon: epsilon) }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.parameter("weight", &weight) }
}
