import PandoTensor
import PandoTestSupport
import Testing

/// Decompositions, linear equations and determinants against PyTorch in `float64` and against what defines them.
@Suite struct LinearAlgebraTests {
    private static let calls: [String: GoldenCall] = [
        "cholesky": { x, _ in expected { try x[0].cholesky() } },
        "eigenvalues": { x, _ in expected { try x[0].symmetricEigen().values } },
        "singularValues": { x, _ in expected { try x[0].svd().values } },
        "determinant": { x, _ in expected { try x[0].determinant() } },
        "logDeterminant": { x, _ in expected { try x[0].logDeterminant().logMagnitude } },
        "inverse": { x, _ in expected { try x[0].inverse() } },
        "solve": { x, _ in expected { try solve(x[0], x[1]) } },
        "solveTriangular": { x, a in expected { try solveTriangular(x[0], x[1], isLower: a.bool("lower")) } },
    ]

    private static func expected(_ body: () throws -> Tensor) -> Tensor {
        do { return try body() } catch { stop("\(error)") }
    }

    private static let cases = GoldenCase.cases(in: "linalg")

    @Test func everyStoredOperationIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation], "\(golden.operation) has no call of ours"))
    }

    @Test(arguments: [[0, 0], [1, 1], [3, 5], [5, 3], [2, 3, 4], [2, 2, 7, 7], [0, 4, 4]])
    func factorsMultiplyToWhatWasTakenApart(shape: [Int]) throws {
        let matrix = irregular(shape)
        for input in [matrix, matrix.transposed] {
            let (u, values, transposedV) = try input.svd()
            expectClose(matmul(u * values.expanded(at: -2), transposedV), input, "U s Vᵀ of \(input.shape)")
            let unit = Tensor.eye(values.shape[values.rank - 1]).broadcast(
                to: values.shape + [values.shape[values.rank - 1]])
            expectClose(matmul(u.transposed, u), unit, "UᵀU of \(input.shape)")
        }
        guard shape[shape.count - 1] == shape[shape.count - 2] else { return }
        let symmetric = matrix + matrix.transposed
        let (values, vectors) = try symmetric.symmetricEigen()
        expectClose(matmul(symmetric, vectors), vectors * values.expanded(at: -2), "A V of \(shape)")
        let definite = matmul(matrix, matrix.transposed) + Tensor.eye(shape[shape.count - 1])
        let lower = try definite.cholesky()
        expectClose(matmul(lower, lower.transposed), definite, "L Lᵀ of \(shape)")
        expectClose(matmul(try definite.inverse(), definite), .eye(shape[shape.count - 1]).broadcast(to: shape))
        let (sign, magnitude) = try (-definite).logDeterminant()
        expectClose(sign * magnitude.exp(), try (-definite).determinant(), "determinant of \(shape)")
    }

    @Test func gradientsEqualCentralDifferences() {
        let (x, y) = (irregular([2, 3, 3]), irregular([3, 2], phase: 1))
        let unit = Tensor.eye(3) * 2
        expectGradients(of: [x], step: 1e-3, "Cholesky") { x in
            Self.expected { try (matmul(x[0], x[0].transposed) + unit).cholesky() }
        }
        expectGradients(of: [x, y], step: 1e-3, "solve") { x in Self.expected { try solve(x[0] + unit, x[1]) } }
        expectGradients(of: [x, y], step: 1e-3, "triangular solve") { x in
            Self.expected { try solveTriangular(x[0] + unit, x[1], isLower: false) }
        }
        expectGradients(of: [x], step: 1e-3, "inverse") { x in Self.expected { try (x[0] + unit).inverse() } }
        expectGradients(of: [x], step: 1e-3, "determinant") { x in Self.expected { try (x[0] - unit).determinant() } }
    }

    @Test func whatHasNoSolutionSaysSo() throws {
        let singular = Tensor.stacked([.eye(2), Tensor([1, 2, 2, 4] as [Float], shape: [2, 2])])
        let solution = #expect(throws: LinearAlgebraError.self) { try solve(singular, .ones([2, 1])) }
        #expect(solution?.operation == "solve" && solution?.reason == .singular && solution?.matrix == 1)
        let inverse = #expect(throws: LinearAlgebraError.self) { try singular.inverse() }
        #expect(inverse?.description == "inverse: matrix 1 of shape [2, 2, 2] is singular")
        let indefinite = Tensor([1, 2, 2, 1] as [Float], shape: [2, 2])
        let factor = #expect(throws: LinearAlgebraError.self) { try indefinite.cholesky() }
        #expect(factor?.description == "Cholesky: matrix 0 of shape [2, 2] is not positive definite")
        let triangle = #expect(throws: LinearAlgebraError.self) {
            try solveTriangular(indefinite - .eye(2), .ones([2, 1]), isLower: true)
        }
        #expect(triangle?.reason == .singular)
        let odd = Tensor([1, 0, 0, .nan] as [Float], shape: [2, 2])
        #expect(#expect(throws: LinearAlgebraError.self) { try odd.svd() }?.reason == .notFinite)
        #expect(#expect(throws: LinearAlgebraError.self) { try odd.symmetricEigen() }?.reason == .notFinite)
        #expect(#expect(throws: LinearAlgebraError.self) { try odd.cholesky() }?.reason == .notFinite)
        let (sign, magnitude) = try singular.logDeterminant()
        #expect(sign.scalars() == [1, 0] && magnitude.scalars() == [0, -.infinity])
        #expect(try singular.determinant().scalars() == [1, 0])
    }

    @Test(arguments: [ElementType.bfloat16, .float16])
    func reducedPrecisionComesBackAsItCame(type: ElementType) throws {
        let matrix = (irregular([3, 3]) + Tensor.eye(3) * 3).cast(to: type)
        let inverse = try matrix.inverse()
        #expect(inverse.elementType == type)
        expectClose(inverse, try matrix.cast(to: .float32).inverse(), relative: 0.01)
    }
}
