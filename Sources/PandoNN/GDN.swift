import PandoTensor

/// Generalised divisive normalisation: each channel divided by what it has in common with the others at its place.
///
/// `yᵢ = xᵢ / √(βᵢ + ∑ⱼ γᵢⱼ xⱼ²)`; its inverse, as used in synthesis, multiplies instead.
/// - Shapes: `[…, C]` → the same; `beta` `[C]`, `gamma` `[C, C]`.
/// - Source: Ballé et al. 2016, Density Modeling of Images using a Generalized Normalization Transformation
///   (arXiv:1511.06281), with the exponents of Ballé et al. 2017 (arXiv:1611.01704), section 3. β and γ stay positive as
///   squares of what is trained; β has 10⁻⁶ added.
public struct GDN: Module {
    /// The roots of β and γ.
    public var beta, gamma: Tensor
    public let isInverse: Bool

    /// β is 1, γ 0.1 of a channel to itself and 0.0001 to others: a root of zero would never move.
    public init(_ channels: Int, isInverse: Bool = false) {
        beta = .ones([channels])
        gamma = Tensor(
            (0..<channels * channels).map { $0 % (channels + 1) == 0 ? Float(0.1).squareRoot() : 0.01 },
            shape: [channels, channels])
        self.isInverse = isInverse
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        let pool = linear(x.squared(), weight: gamma.squared(), bias: beta.squared() + 1e-6)
        return x * (isInverse ? pool.squareRoot() : pool.reciprocalSquareRoot())
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("beta", &beta)
        visitor.parameter("gamma", &gamma)
    }
}
