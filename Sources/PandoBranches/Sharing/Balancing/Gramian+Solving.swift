import Glibc
import PandoTensor

// Small convex problems over weights of gradients: positive weights, most of them of sum 1.

extension Gramian {
    /// The weights of sum 1, none negative, whose mean of the gradients is shortest.
    ///
    /// - Source: Wolfe 1976, Finding the nearest point in a polytope. It comes to the exact point in finitely many steps.
    func shortestMean() -> [Double] {
        let scale = (0..<count).map { self[$0, $0] }.max() ?? 0
        guard scale > 0 else { return [Double](repeating: 1 / Double(count), count: count) }
        let start = (0..<count).min { self[$0, $0] < self[$1, $1] } ?? 0
        var weights = [Double](repeating: 0, count: count)
        weights[start] = 1
        var corners = [start]
        for _ in 0..<100 * count {
            let products = products(with: weights)
            let length = zip(weights, products).reduce(0) { $0 + $1.0 * $1.1 }
            let next = products.indices.min { products[$0] < products[$1] } ?? 0
            if products[next] >= length - 1e-12 * scale || corners.contains(next) { break }
            corners.append(next)
            // To the shortest point of the plane through the corners, or as far towards it as no weight is negative.
            while let target = affineShortest(corners, scale: scale) {
                let isInside = corners.indices.allSatisfy { target[$0] > 1e-12 }
                var part = 1.0
                if !isInside {
                    for (place, corner) in corners.enumerated() where target[place] <= 1e-12 {
                        part = min(part, weights[corner] / max(weights[corner] - target[place], 1e-300))
                    }
                }
                for (place, corner) in corners.enumerated() {
                    weights[corner] = (1 - part) * weights[corner] + part * target[place]
                }
                if isInside { break }
                for corner in corners where weights[corner] <= 1e-12 { weights[corner] = 0 }
                corners.removeAll { weights[$0] == 0 }
            }
        }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }

    /// Weights of sum 1, of any sign, of some gradients, whose sum is shortest; `nil` if it is not unique.
    private func affineShortest(_ corners: [Int], scale: Double) -> [Double]? {
        let part = restricted(to: corners)
        let shifted = Gramian(part.values.map { $0 / scale + 1 }, count: part.count)
        guard let solution = shifted.solution(of: corners.map { _ in 1 }) else { return nil }
        let sum = solution.reduce(0, +)
        return solution.map { $0 / sum }
    }

    /// The lowest point, over weights of sum 1 of which none is negative, of the weighted mean's inner product with the
    /// plain mean, plus `reach` times its length.
    ///
    /// - Source: Birgin, Martínez and Raydan 2000, Nonmonotone spectral projected gradient methods; here monotone.
    func lowestPoint(reach: Double) -> [Double] {
        let scale = (0..<count).reduce(0) { $0 + self[$1, $1] } / Double(count)
        let mean = products(with: [Double](repeating: 1 / Double(count), count: count)).map { $0 / scale }
        let reach = reach / scale.squareRoot()
        func value(_ weights: [Double]) -> Double {
            zip(weights, mean).reduce(0) { $0 + $1.0 * $1.1 } + reach * (squaredNorm(of: weights) / scale).squareRoot()
        }
        func slope(_ weights: [Double]) -> [Double] {
            let length = max((squaredNorm(of: weights) / scale).squareRoot(), 1e-12)
            return zip(mean, products(with: weights)).map { $0 + reach * $1 / scale / length }
        }
        var weights = [Double](repeating: 1 / Double(count), count: count)
        var (height, gradient, size) = (value(weights), slope(weights), 1.0)
        for _ in 0..<2_000 {
            let target = projectedOntoSimplex(zip(weights, gradient).map { $0 - size * $1 })
            let way = zip(target, weights).map { $0 - $1 }
            let descent = zip(way, gradient).reduce(0) { $0 + $1.0 * $1.1 }
            if descent > -1e-15 { break }
            var part = 1.0
            func moved() -> [Double] { zip(weights, way).map { $0 + part * $1 } }
            while value(moved()) > height + 1e-4 * part * descent, part > 1e-10 { part /= 2 }
            let (next, last) = (moved(), gradient)
            (height, gradient) = (value(next), slope(next))
            let curvature = zip(way, zip(gradient, last)).reduce(0) { $0 + $1.0 * ($1.1.0 - $1.1.1) }
            let length = part * way.reduce(0) { $0 + $1 * $1 }
            size = curvature > 0 ? min(max(length / curvature, 1e-6), 1e6) : 1e6
            weights = next
        }
        return weights
    }

    /// The positive weights with `G · weights = 1 / weights`: the lowest point of `½ weightsᵀ G weights - Σ log(weights)`.
    ///
    /// Newton's method with damped steps, which converges from everywhere as the function is self-concordant, on gradients
    /// brought to length 1; a little ridge keeps the weights finite where they cancel.
    /// - Source: Nesterov and Nemirovskii 1994, Interior-Point Polynomial Algorithms, §2.2.
    func bargain() -> [Double] {
        let norms = norms.map { max($0, 1e-300) }
        let cosines = scaled(by: norms.map { 1 / $0 })
        let ridge = 1e-9
        var weights = norms.map { _ in 1.0 }
        for _ in 0..<200 {
            let slope = zip(cosines.products(with: weights), weights).map { $0 + ridge * $1 - 1 / $1 }
            // In shares of the weights: the curvature's diagonal is at least 1.
            var matrix = cosines.scaled(by: weights).values
            for place in 0..<count { matrix[place * count + place] += 1 + ridge * weights[place] * weights[place] }
            let right = zip(slope, weights).map { -$0 * $1 }
            guard let shares = Gramian(matrix, count: count).solution(of: right) else { break }
            let decrement = max(0, zip(shares, right).reduce(0) { $0 + $1.0 * $1.1 }).squareRoot()
            let part = decrement < 0.25 ? 1 : 1 / (1 + decrement)
            weights = zip(weights, shares).map { $0 * (1 + part * $1) }
            if decrement < 1e-12 { break }
        }
        return zip(weights, norms).map { $0 / $1 }
    }
}

/// The nearest point whose coordinates have sum 1 and are not negative.
///
/// - Source: Held, Wolfe and Crowder 1974, Validation of subgradient optimization, §3.
func projectedOntoSimplex(_ point: [Double]) -> [Double] {
    var (sum, shift) = (0.0, 0.0)
    for (place, value) in point.sorted(by: >).enumerated() {
        sum += value
        let candidate = (sum - 1) / Double(place + 1)
        if value > candidate { shift = candidate }
    }
    return point.map { max(0, $0 - shift) }
}
