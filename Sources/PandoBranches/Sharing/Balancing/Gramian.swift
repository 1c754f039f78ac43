import PandoTensor

/// Inner products of some tasks' gradients: all that weights need to know of them.
///
/// A weighted sum of gradients is known by its weights, so norms and inner products of sums follow from it.
struct Gramian: Sendable {
    let count: Int
    /// Row by row.
    let values: [Double]

    /// - Precondition: `count` squared values.
    init(_ values: [Double], count: Int) {
        require(values.count == count * count, "Gramian: \(values.count) inner products of \(count) gradients")
        (self.values, self.count) = (values, count)
    }

    subscript(row: Int, column: Int) -> Double { values[row * count + column] }

    /// The inner products of every gradient with the sum that has these weights.
    func products(with weights: [Double]) -> [Double] {
        (0..<count).map { row in (0..<count).reduce(0) { $0 + self[row, $1] * weights[$1] } }
    }

    /// The squared norm of the sum that has these weights.
    func squaredNorm(of weights: [Double]) -> Double {
        max(0, zip(weights, products(with: weights)).reduce(0) { $0 + $1.0 * $1.1 })
    }

    /// The gradients' lengths.
    var norms: [Double] { (0..<count).map { max(0, self[$0, $0]).squareRoot() } }

    /// Of gradients that are multiplied by `factors`.
    func scaled(by factors: [Double]) -> Gramian {
        Gramian(values.indices.map { values[$0] * factors[$0 / count] * factors[$0 % count] }, count: count)
    }

    /// Of the gradients at `places` alone.
    func restricted(to places: [Int]) -> Gramian {
        Gramian(places.flatMap { row in places.map { self[row, $0] } }, count: places.count)
    }

    /// `x` with `(G + ridge · I) x = right`; `nil` if there is none.
    func solution(of right: [Double], ridge: Double = 0) -> [Double]? {
        var matrix = values
        for place in 0..<count { matrix[place * count + place] += ridge }
        var solution = right
        let isSolved = matrix.withUnsafeMutableBufferPointer { matrix in
            let (pivots, isSingular) = LAPACK.factor(matrix, size: count)
            guard !isSingular else { return false }
            solution.withUnsafeMutableBufferPointer { LAPACK.solve(matrix, pivots, size: count, $0, columns: 1) }
            return true
        }
        return isSolved && solution.allSatisfy(\.isFinite) ? solution : nil
    }
}

extension BalancingStep {
    /// Gradients shorter than this share of the longest one count as zero.
    private static let shortest = 1e-12

    /// The weights that `balance` gives the tasks that can be balanced.
    ///
    /// A task whose loss or gradient is not finite gets 0. One whose gradient is zero gets 1, and does not count; so do all
    /// where `balance` comes to nothing finite.
    /// - Parameter balance: takes the inner products and losses of the others, and their places in the step.
    func weights(_ balance: (_ gramian: Gramian, _ losses: [Double], _ places: [Int]) -> [Double]) -> [Float] {
        require(gramian.count == tasks.count * tasks.count, "BalancingStep: the gradients' inner products are missing")
        let whole = Gramian(gramian, count: tasks.count)
        let finite = tasks.indices.filter { losses[$0].isFinite && whole[$0, $0].isFinite }
        let longest = finite.map { whole[$0, $0] }.max() ?? 0
        let places = finite.filter { whole[$0, $0] > longest * Self.shortest * Self.shortest }
        var weights = [Float](repeating: 0, count: tasks.count)
        for place in finite { weights[place] = 1 }
        guard !places.isEmpty else { return weights }
        let found = balance(whole.restricted(to: places), places.map { Double(losses[$0]) }, places).map { Float($0) }
        guard found.allSatisfy(\.isFinite) else { return weights }
        for (place, weight) in zip(places, found) { weights[place] = weight }
        return weights
    }

    /// The weight of every task whose loss is finite, by its place; 0 for others.
    func weights(_ weight: (_ place: Int) -> Float) -> [Float] {
        tasks.indices.map { losses[$0].isFinite ? weight($0) : 0 }
    }
}
