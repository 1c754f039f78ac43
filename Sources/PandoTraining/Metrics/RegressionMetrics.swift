import PandoTensor

/// How far predicted numbers are from the true ones, in the units of the targets.
public struct RegressionMetrics: Sendable, Hashable {
    /// Mean of the distances.
    public let meanAbsoluteError: Double
    /// Root of the mean squared distance.
    public let rootMeanSquaredError: Double
    /// Share of the targets' variance explained: `1 − Σ(y − ŷ)² / Σ(y − ȳ)²`. For constant targets 1 if all are
    /// met exactly, else 0.
    public let rSquared: Double
    public let exampleCount: Int

    public init(outputs: [Float], targets: [Double]) {
        require(
            outputs.count == targets.count,
            "RegressionMetrics: \(outputs.count) outputs for \(targets.count) targets")
        let count = Double(max(targets.count, 1))
        let mean = targets.reduce(0, +) / count
        var (absolute, squared, spread) = (0.0, 0.0, 0.0)
        for (output, target) in zip(outputs, targets) {
            let error = Double(output) - target
            absolute += abs(error)
            squared += error * error
            spread += (target - mean) * (target - mean)
        }
        meanAbsoluteError = absolute / count
        rootMeanSquaredError = (squared / count).squareRoot()
        rSquared = spread > 0 ? 1 - squared / spread : (squared == 0 ? 1 : 0)
        exampleCount = targets.count
    }

    var scores: [Score] {
        [
            Score("mae", meanAbsoluteError, largerIsBetter: false),
            Score("rmse", rootMeanSquaredError, largerIsBetter: false), Score("r2", rSquared),
        ]
    }
}
