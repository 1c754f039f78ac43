import Foundation
import PandoTensor

/// How a task's error falls with its labels: `a · n^(-b) + d`.
///
/// - Source: the power law of learning curves, Hestness et al. 2017 (arXiv:1712.00409) §3; fitted as
///   a straight line in logarithms, for each `d` of a small grid.
public struct LearningCurve: Sendable, Hashable, Codable {
    public let scale, exponent, floor: Double

    /// What was measured: labels, which may be counted in parts where other tasks' labels count too, and the error.
    public struct Point: Sendable, Hashable, Codable {
        public let count, error: Double

        public init(count: Double, error: Double) { (self.count, self.error) = (count, error) }
    }

    public init(scale: Double, exponent: Double, floor: Double = 0) {
        (self.scale, self.exponent, self.floor) = (scale, exponent, floor)
    }

    /// The curve nearest to some points in squares of the error; flat where they tell of no fall.
    ///
    /// The exponent is within 0 and 1. Errors below a thousandth count as that.
    /// - Precondition: there is a point, and counts are positive.
    public init(fitting points: [Point]) {
        require(!points.isEmpty && points.allSatisfy { $0.count > 0 }, "LearningCurve: \(points.count) points")
        let errors = points.map { max($0.error, 1e-3) }
        let lowest = errors.min() ?? 0
        let logarithms = points.map { log($0.count) }
        let candidates = (0..<10).map { step -> (curve: LearningCurve, distance: Double) in
            let floor = lowest * Double(step) / 10
            let heights = errors.map { log($0 - floor) }
            let exponent = min(max(-slope(logarithms, heights), 0), 1)
            let shift = zip(heights, logarithms).reduce(0) { $0 + $1.0 + exponent * $1.1 } / Double(points.count)
            let curve = LearningCurve(scale: exp(shift), exponent: exponent, floor: floor)
            let distance = zip(points, errors).reduce(0) { sum, pair in
                let miss = curve.error(at: pair.0.count) - pair.1
                return sum + miss * miss
            }
            return (curve, distance)
        }
        // The first of equals: a floor is believed only where it explains something.
        self = candidates.min { $0.distance < $1.distance - 1e-12 }!.curve
    }

    /// - Precondition: the count is positive.
    public func error(at count: Double) -> Double { scale * pow(count, -exponent) + floor }
}

/// Of the straight line nearest to some points; 0 where all stand at one place.
private func slope(_ x: [Double], _ y: [Double]) -> Double {
    let count = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
    let (along, across) = zip(x, y).reduce((0, 0)) {
        ($0.0 + ($1.0 - meanX) * ($1.0 - meanX), $0.1 + ($1.0 - meanX) * ($1.1 - meanY))
    }
    return along > 1e-12 ? across / along : 0
}
