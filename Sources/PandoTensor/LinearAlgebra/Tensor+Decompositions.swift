// Decompositions of matrices, the last two axes; leading axes are batches. Computed in double precision.

extension Tensor {
    /// The lower triangle `L` with `A = L Lᵀ`, of which the lower triangle is read.
    ///
    /// - Shapes: `[…, N, N]` → `[…, N, N]`.
    /// - Throws: if a matrix is not positive definite or not finite.
    public func cholesky() throws(LinearAlgebraError) -> Tensor {
        requireSquareMatrices("Cholesky")
        var matrices = try detached.finiteMatrices("Cholesky")
        let size = matrices.rows
        for index in 0..<matrices.count {
            let isDefinite = matrices.withMatrix(index) { LAPACK.cholesky($0, size: size) }
            guard isDefinite else {
                throw LinearAlgebraError(
                    operation: "Cholesky", reason: .notPositiveDefinite, matrix: index, shape: shape)
            }
        }
        return .applying(CholeskyFactor(), to: self, matrices.tensor(elementType).lowerTriangle())
    }

    /// Eigenvalues, in ascending order, and eigenvectors, as columns, of symmetric matrices, of which the lower triangle
    /// is read (`torch.linalg.eigh`). No gradients flow through them.
    ///
    /// - Shapes: `[…, N, N]` → `[…, N]` and `[…, N, N]`.
    /// - Throws: if a matrix is not finite.
    public func symmetricEigen() throws(LinearAlgebraError) -> (values: Tensor, vectors: Tensor) {
        requireSquareMatrices("symmetric eigenvalues")
        var matrices = try detached.finiteMatrices("symmetric eigenvalues")
        let size = matrices.rows
        var values = MatrixBatch(zeros: matrices.batch, rows: 1, columns: size)
        for index in 0..<matrices.count {
            let ended = matrices.withMatrix(index) { matrix in
                values.withMatrix(index) { LAPACK.symmetricEigen(matrix, size: size, $0) }
            }
            guard ended else {
                throw LinearAlgebraError(
                    operation: "symmetric eigenvalues", reason: .notConverged, matrix: index, shape: shape)
            }
        }
        return (values.tensor(elementType).squeezed(-2), matrices.tensor(elementType).transposed)
    }

    /// `A = U diag(s) Vᵀ` with orthonormal columns in `U` and `V` and the singular values in descending order
    /// (`torch.linalg.svd(full_matrices=False)`). No gradients flow through them.
    ///
    /// - Shapes: `[…, M, N]` → `u` `[…, M, K]`, `values` `[…, K]`, `transposedV` `[…, K, N]`, with `K = min(M, N)`.
    /// - Throws: if a matrix is not finite.
    public func svd() throws(LinearAlgebraError) -> (u: Tensor, values: Tensor, transposedV: Tensor) {
        requireFloatingPoint("SVD")
        requireMatrix("SVD")
        var matrices = try detached.finiteMatrices("SVD")
        let (rows, columns) = (matrices.rows, matrices.columns)
        let count = Swift.min(rows, columns)
        var u = MatrixBatch(zeros: matrices.batch, rows: rows, columns: count)
        var values = MatrixBatch(zeros: matrices.batch, rows: 1, columns: count)
        var v = MatrixBatch(zeros: matrices.batch, rows: count, columns: columns)
        for index in 0..<matrices.count {
            let ended = matrices.withMatrix(index) { matrix in
                u.withMatrix(index) { u in
                    values.withMatrix(index) { values in
                        v.withMatrix(index) {
                            LAPACK.svd(matrix, rows: rows, columns: columns, u: u, values: values, transposedV: $0)
                        }
                    }
                }
            }
            guard ended else {
                throw LinearAlgebraError(operation: "SVD", reason: .notConverged, matrix: index, shape: shape)
            }
        }
        return (u.tensor(elementType), values.tensor(elementType).squeezed(-2), v.tensor(elementType))
    }
}

/// The second input, which is the first's factor.
struct CholeskyFactor: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { inputs[1] }

    /// `½ (S + Sᵀ)` with `S = L⁻ᵀ Φ(Lᵀ G) L⁻¹`, where `Φ` takes the lower triangle and half of the diagonal.
    ///
    /// Source: Murray 2016, Differentiation of the Cholesky decomposition (arXiv:1602.07527), equation 10.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let factor = saved.result
        let product = matmul(factor.transposed, gradient)
        let half = product.lowerTriangle() - product.diagonal().diagonalMatrix() * 0.5
        let left = triangleSolution(factor.transposed, half, isLower: false)
        let whole = triangleSolution(factor.transposed, left.transposed, isLower: false)
        return [(whole + whole.transposed) * 0.5, nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .output }
}
