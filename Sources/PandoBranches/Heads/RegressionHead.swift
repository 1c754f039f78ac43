import PandoNN
import PandoTensor

/// Predicts a number.
///
/// The predictor works in units of the training targets' standard deviation around their mean; outputs are in the
/// targets' own units.
/// - Shapes: features `[N, F]` → `[N]`; targets `[N]`.
public struct RegressionHead: Head {
    public var predictor: Predictor
    /// The training targets' mean and standard deviation, scalars `[1]`.
    public var targetMean: Tensor
    public var targetScale: Tensor

    public var featureCount: Int { predictor.featureCount }

    /// - Precondition: one output; `targetScale` is positive.
    public init(_ predictor: Predictor, targetMean: Float = 0, targetScale: Float = 1) {
        require(predictor.outputCount == 1, "RegressionHead: \(predictor.outputCount) outputs, expected 1")
        require(targetScale > 0, "RegressionHead: target scale \(targetScale) is not positive")
        self.predictor = predictor
        self.targetMean = Tensor([targetMean])
        self.targetScale = Tensor([targetScale])
    }

    public func callAsFunction(_ features: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        let standard = predictor(features, using: &generator)  // [N, 1]
        return (standard * targetScale + targetMean).reshaped(features.shape[0])
    }

    /// Smooth L1 of the standardised distance: far-off targets pull no harder than others.
    public func loss(_ outputs: Tensor, _ targets: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        smoothL1((outputs - targetMean) / targetScale, (targets - targetMean) / targetScale)
    }

    /// The predicted numbers.
    public func decode(_ outputs: Tensor) -> [Float] { outputs.scalars() }

    public mutating func visit(_ visitor: inout some Visitor) {
        predictor.visit(&visitor)
        visitor.buffer("target_mean", &targetMean)
        visitor.buffer("target_scale", &targetScale)
    }
}
