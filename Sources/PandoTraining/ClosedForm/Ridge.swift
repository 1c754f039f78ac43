import PandoBranches
import PandoNN
import PandoTensor

/// The linear map that fits targets best in the sense of least squares with a penalty on large weights, in closed form.
///
/// Minimises `Σ |W s + b - t|² + λ |W|²` over the training rows, `s` being the standardised features. With more
/// features than rows the same solution comes from the rows' products instead of the features'.
///
/// - Cost: one product of the features with themselves, in blocks of rows; per strength one factorisation in double
///   precision of the smaller of rows and features.
/// - Source: Hoerl and Kennard 1970; the dual form as in Saunders et al. 1998.
struct Ridge: Sendable {
    /// The means of the targets, which the solution predicts at the features' means.
    let targetMeans: [Float]
    private let form: Form
    private let rowCount: Int
    private let featureCount: Int
    private let targetCount: Int

    private enum Form: Sendable {
        /// `SᵀS` `[F, F]` and `SᵀT` `[F, K]`.
        case primal(products: [Double], cross: [Double])
        /// `S Sᵀ` `[N, N]`, the centred targets `[N, K]`, and the standardised features.
        case dual(products: [Double], targets: [Double], features: Tensor)
    }

    /// - Parameters:
    ///   - rows: which rows of `features` to learn from.
    ///   - targets: `[rows.count, K]`.
    init(
        _ features: any FeatureSource, rows: [Int], standardization: Standardization, targets: Tensor
    ) {
        require(
            targets.rank == 2 && targets.shape[0] == rows.count && !rows.isEmpty,
            "Ridge: targets \(targets.shape) for \(rows.count) rows")
        rowCount = rows.count
        featureCount = features.featureCount
        targetCount = targets.shape[1]
        let means = targets.mean(along: [0])
        targetMeans = means.scalars()
        let centred = targets - means
        if rows.count < features.featureCount {
            let standardized = standardization(features.rows(rows))
            let products = matmul(standardized, standardized.transposed)
            form = .dual(products: products.doubles, targets: centred.doubles, features: standardized)
        } else {
            var products = Tensor.zeros([featureCount, featureCount])
            var cross = Tensor.zeros([featureCount, targetCount])
            for block in rows.indices.blocks(of: 2_048) {
                let standardized = standardization(features.rows(Array(rows[block])))
                products = products + matmul(standardized.transposed, standardized)
                cross = cross + matmul(standardized.transposed, centred.slice(block))
            }
            form = .primal(products: products.doubles, cross: cross.doubles)
        }
    }

    /// The penalty that `strength` 1 stands for: as large as the features' own products are on average.
    private var unit: Double { Double(max(rowCount, featureCount)) }

    /// The weights `[K, F]` at a penalty of `strength` times the average product.
    /// - Precondition: `strength` is positive.
    func weights(strength: Double) -> Tensor {
        require(strength > 0, "Ridge: strength \(strength) is not positive")
        let penalty = strength * unit
        switch form {
        case .primal(let products, let cross):
            let solution = Self.solve(products, size: featureCount, penalty: penalty, cross, columns: targetCount)
            return Tensor(solution.map { Float($0) }, shape: [featureCount, targetCount]).transposed.contiguous()
        case .dual(let products, let targets, let features):
            let solution = Self.solve(products, size: rowCount, penalty: penalty, targets, columns: targetCount)
            let coefficients = Tensor(solution.map { Float($0) }, shape: [rowCount, targetCount])
            return matmul(coefficients.transposed, features)
        }
    }

    private static func solve(
        _ products: [Double], size: Int, penalty: Double, _ right: [Double], columns: Int
    ) -> [Double] {
        var penalty = penalty
        while true {
            var matrix = products
            for index in 0..<size { matrix[index * size + index] += penalty }
            if let factor = Cholesky(matrix, size: size) { return factor.solve(right, columns: columns) }
            // Rounding in single precision can make tiny eigenvalues negative; more penalty lifts them.
            penalty *= 10
            require(penalty.isFinite, "Ridge: the features hold values that are not finite")
        }
    }
}

extension Tensor {
    fileprivate var doubles: [Double] { withScalars { $0.map(Double.init) } }
}

extension Range<Int> {
    /// Consecutive parts of at most `size`.
    func blocks(of size: Int) -> [Range<Int>] {
        stride(from: lowerBound, to: upperBound, by: size).map { $0..<Swift.min($0 + size, upperBound) }
    }
}
