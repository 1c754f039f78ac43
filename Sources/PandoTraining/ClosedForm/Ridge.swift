import PandoBranches
import PandoTensor

/// The linear map that fits targets best in the sense of least squares with a penalty on large weights, in closed form.
///
/// Minimises `Σ |W s + b - t|² + λ |W|²` over the training rows, `s` being the standardised features. With more
/// features than rows the same solution comes from the rows' products instead of the features'.
///
/// - Cost: one product of the features with themselves, in blocks of rows; per strength one factorisation of a matrix
///   of the smaller of rows and features.
/// - Source: Hoerl and Kennard 1970; the dual form as in Saunders et al. 1998.
struct Ridge: Sendable {
    private let form: Form
    /// `[size, size]`: the products of features or of rows.
    private let products: Tensor
    /// The penalty that strength 1 stands for: as large as the products are on average.
    private let unit: Float

    private enum Form: Sendable {
        /// The products are `SᵀS`; with `SᵀT` `[F, K]`.
        case primal(cross: Tensor)
        /// The products are `S Sᵀ`; with the centred targets `[N, K]` and the standardised features `[N, F]`.
        case dual(targets: Tensor, features: Tensor)
    }

    /// - Parameters:
    ///   - rows: which rows of `features` to learn from.
    ///   - targets: `[rows.count, K]`; their means are the bias.
    init(_ features: any FeatureSource, rows: [Int], standardization: Standardization, targets: Tensor) {
        require(
            targets.rank == 2 && targets.shape[0] == rows.count && !rows.isEmpty,
            "Ridge: targets \(targets.shape) for \(rows.count) rows")
        let featureCount = features.featureCount
        unit = Float(max(rows.count, featureCount))
        let centred = targets - targets.mean(along: [0])
        if rows.count < featureCount {
            let standardized = standardization(features.rows(rows))
            products = matmul(standardized, standardized.transposed)
            form = .dual(targets: centred, features: standardized)
        } else {
            var products = Tensor.zeros([featureCount, featureCount])
            var cross = Tensor.zeros([featureCount, targets.shape[1]])
            for block in rows.indices.blocks(of: 2_048) {
                let standardized = standardization(features.rows(Array(rows[block])))
                products = products + matmul(standardized.transposed, standardized)
                cross = cross + matmul(standardized.transposed, centred.slice(block))
            }
            self.products = products
            form = .primal(cross: cross)
        }
    }

    /// The weights `[K, F]` at a penalty of `strength` times the average product.
    /// - Precondition: `strength` is positive; the features are finite.
    func weights(strength: Float) -> Tensor {
        require(strength > 0, "Ridge: strength \(strength) is not positive")
        let factor = factor(penalty: strength * unit)
        switch form {
        case .primal(let cross): return factor.solve(cross).transposed.contiguous()
        case .dual(let targets, let features): return matmul(factor.solve(targets).transposed, features)
        }
    }

    private func factor(penalty: Float) -> Cholesky {
        var penalty = penalty
        while true {
            let size = products.shape[0]
            var diagonal = [Float](repeating: 0, count: size * size)
            for index in 0..<size { diagonal[index * size + index] = penalty }
            if let factor = Cholesky(products + Tensor(diagonal, shape: [size, size])) { return factor }
            // Rounding can make tiny eigenvalues negative; more penalty lifts them.
            penalty *= 10
            require(penalty.isFinite, "Ridge: the features hold values that are not finite")
        }
    }
}

extension Range<Int> {
    /// Consecutive parts of at most `size`.
    func blocks(of size: Int) -> [Range<Int>] {
        stride(from: lowerBound, to: upperBound, by: size).map { $0..<Swift.min($0 + size, upperBound) }
    }
}
