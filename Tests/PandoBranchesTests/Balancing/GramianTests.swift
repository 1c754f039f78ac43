import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// The small convex problems against brute force and against what defines their solutions.
@Suite struct GramianTests {
    /// Inner products of irregular gradients; of fewer dimensions than there are gradients, they are dependent.
    private func gramian(_ count: Int, dimensions: Int, phase: Float) -> Gramian {
        let step = BalancingStep(
            gradients: irregular([count, dimensions], phase: phase), losses: [Float](repeating: 1, count: count))
        return Gramian(step.gramian, count: count)
    }

    /// Weights of sum 1 on a grid.
    private let grid: [[Double]] = (0...60).flatMap { (first: Int) -> [[Double]] in
        (0...(60 - first)).map { (second: Int) -> [Double] in
            [first, second, 60 - first - second].map { Double($0) / 60 }
        }
    }

    @Test(arguments: [Float](stride(from: 0, to: 8, by: 1)))
    func `no mean on a grid is shorter than the shortest`(phase: Float) {
        let gramian = gramian(3, dimensions: phase < 4 ? 6 : 2, phase: phase)
        let weights = gramian.shortestMean()
        let best = grid.map { gramian.squaredNorm(of: $0) }.min()!
        #expect(abs(weights.reduce(0, +) - 1) < 1e-12 && weights.allSatisfy { $0 >= 0 })
        #expect(gramian.squaredNorm(of: weights) <= best + 1e-12)
    }

    @Test(arguments: [2, 4, 7, 12], [2, 5, 40])
    func `the shortest mean is no longer along any gradient than itself`(count: Int, dimensions: Int) {
        let gramian = gramian(count, dimensions: dimensions, phase: Float(count))
        let weights = gramian.shortestMean()
        let length = gramian.squaredNorm(of: weights)
        for (weight, product) in zip(weights, gramian.products(with: weights)) {
            #expect(product >= length - 1e-9)
            if weight > 1e-6 { #expect(abs(product - length) < 1e-8) }
        }
    }

    @Test(arguments: [Float](stride(from: 0, to: 8, by: 1)), [0.1, 0.5, 2])
    func `nothing on a grid is below the lowest point`(phase: Float, strength: Double) {
        let gramian = gramian(3, dimensions: 6, phase: phase)
        let mean = [1.0 / 3, 1.0 / 3, 1.0 / 3]
        let reach = strength * gramian.squaredNorm(of: mean).squareRoot()
        func value(_ weights: [Double]) -> Double {
            zip(weights, gramian.products(with: mean)).reduce(0) { $0 + $1.0 * $1.1 }
                + reach * gramian.squaredNorm(of: weights).squareRoot()
        }
        let weights = gramian.lowestPoint(reach: reach)
        #expect(abs(weights.reduce(0, +) - 1) < 1e-9 && weights.allSatisfy { $0 >= 0 })
        #expect(value(weights) <= grid.map(value).min()! + 1e-9)
    }

    @Test(arguments: [1, 2, 5, 12])
    func `a bargain gives everyone one`(count: Int) {
        let gramian = gramian(count, dimensions: 20, phase: 3)
        let weights = gramian.bargain()
        for (weight, product) in zip(weights, gramian.products(with: weights)) {
            #expect(weight > 0 && abs(weight * product - 1) < 1e-6)
        }
    }

    @Test func `there is a bargain over gradients that cancel`() {
        let weights = Gramian([1, -1, -1, 1], count: 2).bargain()
        #expect(weights.allSatisfy { $0.isFinite && $0 > 0 } && abs(weights[0] / weights[1] - 1) < 1e-6)
    }

    @Test func `a point comes to the nearest of the simplex`() {
        for phase in 0..<6 {
            let point = irregular([3], phase: Float(phase)).scalars().map { Double($0) * 2 }
            func distance(_ other: [Double]) -> Double { zip(point, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
            let projected = projectedOntoSimplex(point)
            #expect(abs(projected.reduce(0, +) - 1) < 1e-12 && projected.allSatisfy { $0 >= 0 })
            #expect(distance(projected) <= grid.map(distance).min()! + 1e-12)
        }
    }
}
