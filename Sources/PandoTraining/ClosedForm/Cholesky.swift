import PandoTensor

/// The lower triangle `L` of a symmetric positive definite matrix `A = L Lᵀ`, to solve `A X = B`.
///
/// Right-looking and in blocks of columns: small diagonal blocks in double precision, all the rest as the engine's
/// matrix products. One step of iterative refinement takes back most of what single precision loses.
/// - Cost: `2 n³ / 3` multiply-adds to factor, `4 n²` per column of `B` to solve.
/// - Source: Golub and Van Loan, Matrix Computations, §4.2.9 (block form) and §3.5.3 (refinement).
struct Cholesky: Sendable {
    private static let blockSize = 128

    private let matrix: Tensor
    private let blocks: [Range<Int>]
    /// For each block of columns, what stands below its diagonal block: `[n - end, block]`.
    private var below: [Tensor] = []
    /// For each block of columns, the inverse of its diagonal block: `[block, block]`.
    private var inverses: [Tensor] = []

    /// - Parameter matrix: `[n, n]`, symmetric.
    /// - Returns: `nil` if the matrix is not positive definite in the engine's precision.
    init?(_ matrix: Tensor) {
        require(
            matrix.rank == 2 && matrix.shape[0] == matrix.shape[1], "Cholesky: a matrix of shape \(matrix.shape)")
        self.matrix = matrix
        blocks = (0..<matrix.shape[0]).blocks(of: Self.blockSize)
        var rest = matrix
        for block in blocks {
            let (width, height) = (block.count, rest.shape[0])
            let left = rest.slice(0..<width, along: 1)
            guard let inverse = invertedFactor(of: left.slice(0..<width)) else { return nil }
            inverses.append(inverse)
            let panel = matmul(left.slice(width..<height).contiguous(), inverse.transposed)
            below.append(panel)
            guard width < height else { break }
            rest = rest.slice(width..<height).slice(width..<height, along: 1) - matmul(panel, panel.transposed)
        }
    }

    /// The `X` with `A X = B`, for `B` `[n, K]`.
    func solve(_ right: Tensor) -> Tensor {
        require(
            right.rank == 2 && right.shape[0] == matrix.shape[0],
            "Cholesky: a right side of shape \(right.shape) for a matrix of shape \(matrix.shape)")
        let first = substitute(right)
        return first + substitute(right - matmul(matrix, first))
    }

    private func substitute(_ right: Tensor) -> Tensor {
        var rest = right
        var middle: [Tensor] = []  // L Y = B, from the top
        for (index, block) in blocks.enumerated() {
            let part = matmul(inverses[index], rest.slice(0..<block.count).contiguous())
            middle.append(part)
            if index + 1 < blocks.count {
                rest = rest.slice(block.count..<rest.shape[0]) - matmul(below[index], part)
            }
        }
        var solution: [Tensor] = []  // Lᵀ X = Y, from the bottom; kept from the top
        for index in blocks.indices.reversed() {
            var part = middle[index]
            if !solution.isEmpty { part = part - matmul(below[index].transposed, .concatenated(solution)) }
            solution.insert(matmul(inverses[index].transposed, part), at: 0)
        }
        return .concatenated(solution)
    }
}

/// The inverse of the lower triangle of a small symmetric positive definite matrix, in double precision; `nil` if
/// the matrix is not positive definite.
private func invertedFactor(of matrix: Tensor) -> Tensor? {
    let size = matrix.shape[0]
    var lower = matrix.scalars().map(Double.init)
    for row in 0..<size {
        for column in 0...row {
            var value = lower[row * size + column]
            for index in 0..<column { value -= lower[row * size + index] * lower[column * size + index] }
            if column < row {
                lower[row * size + column] = value / lower[column * size + column]
            } else {
                guard value > 0, value.isFinite else { return nil }
                lower[row * size + row] = value.squareRoot()
            }
        }
    }
    var inverse = [Double](repeating: 0, count: size * size)
    for column in 0..<size {
        inverse[column * size + column] = 1 / lower[column * size + column]
        for row in column + 1..<max(size, column + 1) {
            var value = 0.0
            for index in column..<row { value -= lower[row * size + index] * inverse[index * size + column] }
            inverse[row * size + column] = value / lower[row * size + row]
        }
    }
    return Tensor(inverse.map { Float($0) }, shape: [size, size])
}
