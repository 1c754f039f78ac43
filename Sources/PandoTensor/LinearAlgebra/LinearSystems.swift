// Linear equations, inverses and determinants of matrices, the last two axes; leading axes are batches. Computed in
// double precision.

import Glibc

/// `X` with `A X = B`; leading axes broadcast.
///
/// - Shapes: `matrix` `[…, N, N]`, `right` `[…, N, K]` → `[…, N, K]`.
/// - Throws: if a matrix is singular or not finite.
public func solve(_ matrix: Tensor, _ right: Tensor) throws(LinearAlgebraError) -> Tensor {
    let (matrix, right) = matchedBatches(matrix, right, "solve")
    return .applying(LinearSolution(), to: matrix, right, try solution(matrix.detached, right.detached, "solve"))
}

/// `X` with `A X = B` for triangles `A`, of which the other triangle is not read; leading axes broadcast.
///
/// - Shapes: `matrix` `[…, N, N]`, `right` `[…, N, K]` → `[…, N, K]`.
/// - Throws: if a matrix has a zero on its diagonal or is not finite.
public func solveTriangular(_ matrix: Tensor, _ right: Tensor, isLower: Bool) throws(LinearAlgebraError) -> Tensor {
    let (matrix, right) = matchedBatches(matrix, right, "triangular solve")
    let triangle = isLower ? matrix.lowerTriangle() : matrix.upperTriangle()
    _ = try triangle.detached.finiteMatrices("triangular solve")
    if let place = triangle.detached.diagonal().cast(to: .float32).scalars().firstIndex(of: 0) {
        throw LinearAlgebraError(
            operation: "triangular solve", reason: .singular, matrix: place / matrix.shape[matrix.rank - 1],
            shape: matrix.shape)
    }
    return .applying(TriangleSolution(isLower: isLower), to: triangle, right)
}

extension Tensor {
    /// The inverses of square matrices.
    ///
    /// - Shapes: `[…, N, N]` → `[…, N, N]`.
    /// - Throws: if a matrix is singular or not finite.
    public func inverse() throws(LinearAlgebraError) -> Tensor {
        requireSquareMatrices("inverse")
        let unit = Tensor.eye(shape[rank - 1]).cast(to: elementType).broadcast(to: shape)
        let result = try solution(detached, unit, "inverse")
        return .applying(LinearSolution(), to: self, unit, result)
    }

    /// The sign (or zero) of square matrices' determinants and the logarithms of their magnitudes, which do not
    /// overflow (`torch.linalg.slogdet`). Gradients flow through the logarithms; a singular matrix has none.
    ///
    /// - Shapes: `[…, N, N]` → `[…]` each.
    /// - Throws: if a matrix is not finite. A singular one has sign 0 and `-∞`.
    public func logDeterminant() throws(LinearAlgebraError) -> (sign: Tensor, logMagnitude: Tensor) {
        let (signs, magnitudes) = try determinants("log-determinant")
        let batch = Array(shape.dropLast(2))
        let values = Tensor(magnitudes.map { Float($0) }, shape: batch).cast(to: elementType)
        return (
            Tensor(signs.map { Float($0) }, shape: batch).cast(to: elementType),
            .applying(DeterminantValue(isLogarithm: true), to: self, values)
        )
    }

    /// The determinants of square matrices. The gradient of a singular one is not computed: asking for it stops the
    /// program.
    ///
    /// - Shapes: `[…, N, N]` → `[…]`.
    /// - Throws: if a matrix is not finite.
    public func determinant() throws(LinearAlgebraError) -> Tensor {
        let (signs, magnitudes) = try determinants("determinant")
        let values = Tensor(zip(signs, magnitudes).map { Float($0 * Glibc.exp($1)) }, shape: Array(shape.dropLast(2)))
        return .applying(DeterminantValue(isLogarithm: false), to: self, values.cast(to: elementType))
    }

    private func determinants(_ name: String) throws(LinearAlgebraError) -> (signs: [Double], magnitudes: [Double]) {
        requireSquareMatrices(name)
        var matrices = try detached.finiteMatrices(name)
        let size = matrices.rows
        var (signs, magnitudes): ([Double], [Double]) = ([], [])
        for index in 0..<matrices.count {
            let (pivots, _) = matrices.withMatrix(index) { LAPACK.factor($0, size: size) }
            let diagonal = matrices.diagonal(index)
            let exchanges = pivots.enumerated().count { $0.offset + 1 != Int($0.element) }
            let negatives = diagonal.count { $0 < 0 }
            signs.append(diagonal.contains(0) ? 0 : (exchanges + negatives) % 2 == 0 ? 1 : -1)
            magnitudes.append(diagonal.reduce(0) { $0 + Glibc.log(abs($1)) })
        }
        return (signs, magnitudes)
    }
}

/// Both with the same leading axes.
private func matchedBatches(_ matrix: Tensor, _ right: Tensor, _ operation: String) -> (Tensor, Tensor) {
    matrix.requireSquareMatrices(operation)
    require(
        right.rank >= 2 && right.shape[right.rank - 2] == matrix.shape[matrix.rank - 1]
            && right.elementType == matrix.elementType,
        "\(operation): a right side \(right.elementType) \(right.shape) for \(matrix.elementType) \(matrix.shape)")
    let batch = broadcastShape(Array(matrix.shape.dropLast(2)), Array(right.shape.dropLast(2)), operation)
    return (
        matrix.broadcast(to: batch + matrix.shape.suffix(2)), right.broadcast(to: batch + right.shape.suffix(2))
    )
}

/// `X` with `A X = B`, both with the same leading axes.
private func solution(_ matrix: Tensor, _ right: Tensor, _ name: String) throws(LinearAlgebraError) -> Tensor {
    var matrices = try matrix.finiteMatrices(name)
    var columns = MatrixBatch(right, transposed: true)
    let (size, count) = (matrices.rows, columns.rows)
    for index in 0..<matrices.count {
        let isSingular = matrices.withMatrix(index) { factors in
            let (pivots, isSingular) = LAPACK.factor(factors, size: size)
            if isSingular { return true }
            columns.withMatrix(index) { LAPACK.solve(factors, pivots, size: size, $0, columns: count) }
            return false
        }
        if isSingular {
            throw LinearAlgebraError(operation: name, reason: .singular, matrix: index, shape: matrix.shape)
        }
    }
    return columns.tensor(right.elementType).transposed
}

/// `A⁻ᵀ B` for matrices that were solved before.
private func transposedSolution(_ matrix: Tensor, _ right: Tensor) -> Tensor {
    do { return try solution(matrix.transposed, right, "gradient of a solution") } catch { stop("\(error)") }
}

/// `X` with `A X = B` for triangles without zeros on their diagonals.
func triangleSolution(_ matrix: Tensor, _ right: Tensor, isLower: Bool) -> Tensor {
    var matrices = MatrixBatch(matrix)
    var columns = MatrixBatch(right, transposed: true)
    let (size, count) = (matrices.rows, columns.rows)
    for index in 0..<matrices.count {
        let isSolved = matrices.withMatrix(index) { matrix in
            columns.withMatrix(index) {
                LAPACK.solveTriangle(matrix, size: size, isLower: isLower, $0, columns: count)
            }
        }
        require(isSolved, "triangular solve: matrix \(index) of shape \(matrix.shape) has a zero on its diagonal")
    }
    return columns.tensor(right.elementType).transposed
}

/// The third input, which solves the equations of the first two.
struct LinearSolution: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { inputs[2] }

    /// `A⁻ᵀ G` towards the right side `B`, and `-A⁻ᵀ G Xᵀ` towards `A`.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let right = transposedSolution(saved.input(0), gradient)
        return [saved.wanted[0] ? -matmul(right, saved.result.transposed) : nil, saved.wanted[1] ? right : nil, nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .outputAnd([0]) }
}

/// `A⁻¹ B` for triangles `A` without zeros on their diagonals.
struct TriangleSolution: Operation {
    let isLower: Bool

    func forward(_ inputs: [Tensor]) -> Tensor { triangleSolution(inputs[0], inputs[1], isLower: isLower) }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let right = triangleSolution(saved.input(0).transposed, gradient, isLower: !isLower)
        return [saved.wanted[0] ? -matmul(right, saved.result.transposed) : nil, saved.wanted[1] ? right : nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .outputAnd([0]) }
}

/// The second input, which is the first's determinant, or the logarithm of its magnitude.
struct DeterminantValue: Operation {
    let isLogarithm: Bool

    func forward(_ inputs: [Tensor]) -> Tensor { inputs[1] }

    /// `g A⁻ᵀ` for the logarithm, times the determinant for itself.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let matrix = saved.input(0)
        let unit = Tensor.eye(matrix.shape[matrix.rank - 1]).cast(to: matrix.elementType).broadcast(to: matrix.shape)
        let share = isLogarithm ? gradient : gradient * saved.result
        return [share.expanded(at: -1).expanded(at: -1) * transposedSolution(matrix, unit), nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .outputAnd([0]) }
}
