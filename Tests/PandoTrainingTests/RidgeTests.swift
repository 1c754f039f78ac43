import PandoBranches
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoTraining

@Suite struct RidgeTests {
    /// A symmetric positive definite matrix.
    private func definite(_ size: Int, ridge: Float) -> Tensor {
        let half = irregular([size, size + 5], phase: Float(size))
        let diagonal = Tensor((0..<size * size).map { $0 % (size + 1) == 0 ? ridge : 0 }, shape: [size, size])
        return matmul(half, half.transposed) + diagonal
    }

    @Test(arguments: [1, 5, 128, 129, 300])
    func `Cholesky solves systems smaller than, equal to and larger than its blocks`(size: Int) throws {
        let matrix = definite(size, ridge: 5)
        let x = irregular([size, 3], phase: 77)
        let factor = try #require(Cholesky(matrix))
        expectClose(factor.solve(matmul(matrix, x)), x, relative: 1e-3)
    }

    @Test func `a matrix that is not positive definite has no factor`() {
        #expect(Cholesky(Tensor([1, 2, 2, 1] as [Float], shape: [2, 2])) == nil)
        #expect(Cholesky(Tensor([.nan] as [Float], shape: [1, 1])) == nil)
    }

    @Test(arguments: [(40, 6), (6, 40)])
    func `the solution makes the penalised loss smallest, with more rows or with more features`(rows: Int, columns: Int) {
        let features = irregular([rows, columns], phase: 3)
        let targets = irregular([rows, 2], phase: 4)
        let all = Array(0..<rows)
        let source = TensorFeatures(features)
        let standardization = Standardization(of: source, rows: all)
        let strength: Float = 0.1
        let weights = Ridge(source, rows: all, standardization: standardization, targets: targets)
            .weights(strength: strength)
        // At the minimum the gradient Sᵀ(S Wᵀ - T) + λ Wᵀ vanishes.
        let s = standardization(features)
        let centred = targets - targets.mean(along: [0])
        let pull = weights.transposed * (strength * Float(max(rows, columns)))
        expectClose(matmul(s.transposed, centred - matmul(s, weights.transposed)), pull, relative: 1e-3)
    }

    @Test func `rows that are not asked for do not matter`() {
        let features = irregular([20, 4], phase: 3)
        let source = TensorFeatures(features)
        let some = [1, 4, 5, 9, 12, 17]
        let part = TensorFeatures(source.rows(some))
        let whole = Standardization(of: source, rows: some)
        let own = Standardization(of: part, rows: Array(0..<6))
        expectClose(whole.mean, own.mean)
        expectClose(whole.scale, own.scale)
        let targets = irregular([6, 1], phase: 5)
        expectClose(
            Ridge(source, rows: some, standardization: whole, targets: targets).weights(strength: 0.3),
            Ridge(part, rows: Array(0..<6), standardization: own, targets: targets).weights(strength: 0.3))
    }
}
