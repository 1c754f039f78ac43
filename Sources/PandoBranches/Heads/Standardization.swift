import PandoNN
import PandoTensor

/// Brings every feature to mean 0 and standard deviation 1, with statistics gathered before.
///
/// - Shapes: `[N, F]` → `[N, F]`; `mean` and `scale` `[F]`, `scale` being the inverse standard deviation.
public struct Standardization: Module {
    public var mean: Tensor
    public var scale: Tensor

    public var featureCount: Int { mean.shape[0] }

    /// - Precondition: two vectors of one length.
    public init(mean: Tensor, scale: Tensor) {
        require(
            mean.rank == 1 && mean.shape == scale.shape,
            "Standardization: mean \(mean.shape) and scale \(scale.shape) are not vectors of one length")
        self.mean = mean
        self.scale = scale
    }

    /// Changes nothing.
    public init(identity featureCount: Int) {
        self.init(mean: .zeros([featureCount]), scale: .ones([featureCount]))
    }

    /// The statistics of the rows of `features` `[N, F]`. A feature that does not vary is only centred.
    public init(of features: Tensor) {
        require(features.rank == 2 && features.shape[0] > 0, "Standardization: features \(features.shape) have no rows")
        let deviation = features.variance(along: [0]).squareRoot()
        let scales = deviation.scalars().map { $0 > 1e-6 ? 1 / $0 : 1 }
        self.init(mean: features.mean(along: [0]), scale: Tensor(scales))
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { (x - mean) * scale }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.buffer("mean", &mean)
        visitor.buffer("scale", &scale)
    }
}
