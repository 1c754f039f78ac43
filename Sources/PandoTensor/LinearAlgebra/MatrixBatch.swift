/// Matrices in double precision, one after another: what LAPACK works on.
struct MatrixBatch {
    let batch: [Int]
    let rows: Int
    let columns: Int
    private(set) var elements: [Double]

    var count: Int { batch.elementCount }
    private var size: Int { rows * columns }

    /// The matrices in the last two axes of `tensor`, or their transposes.
    init(_ tensor: Tensor, transposed: Bool = false) {
        let tensor = transposed ? tensor.transposed : tensor
        batch = Array(tensor.shape.dropLast(2))
        (rows, columns) = (tensor.shape[tensor.rank - 2], tensor.shape[tensor.rank - 1])
        elements = tensor.cast(to: .float32).scalars().map(Double.init)
    }

    init(zeros batch: [Int], rows: Int, columns: Int) {
        (self.batch, self.rows, self.columns) = (batch, rows, columns)
        elements = [Double](repeating: 0, count: batch.elementCount * rows * columns)
    }

    /// The matrices in the last two axes of a tensor.
    func tensor(_ type: ElementType) -> Tensor {
        Tensor(elements.map { Float($0) }, shape: batch + [rows, columns]).cast(to: type)
    }

    func isFinite(_ index: Int) -> Bool { elements[index * size..<(index + 1) * size].allSatisfy(\.isFinite) }

    func diagonal(_ index: Int) -> [Double] {
        (0..<min(rows, columns)).map { elements[index * size + $0 * (columns + 1)] }
    }

    mutating func withMatrix<Result>(_ index: Int, _ body: (LAPACK.Matrix) -> Result) -> Result {
        let part = index * size..<(index + 1) * size
        return elements.withUnsafeMutableBufferPointer { body(LAPACK.Matrix(rebasing: $0[part])) }
    }
}

extension Tensor {
    /// The matrices of this tensor, of which LAPACK needs all elements to be finite numbers.
    func finiteMatrices(_ operation: String, transposed: Bool = false) throws(LinearAlgebraError) -> MatrixBatch {
        let matrices = MatrixBatch(self, transposed: transposed)
        for index in 0..<matrices.count where !matrices.isFinite(index) {
            throw LinearAlgebraError(operation: operation, reason: .notFinite, matrix: index, shape: shape)
        }
        return matrices
    }

    func requireSquareMatrices(_ operation: String) {
        requireFloatingPoint(operation)
        require(
            rank >= 2 && shape[rank - 1] == shape[rank - 2],
            "\(operation): shape \(shape) does not end with a square matrix")
    }
}
