// Diagonals and triangles of matrices, and regular sequences.

extension Tensor {
    /// The numbers from `start` up to but without `end`, `step` apart.
    public static func arange(_ start: Float = 0, to end: Float, by step: Float = 1) -> Tensor {
        require(
            step != 0 && (end - start) / step >= 0, "arange: a step of \(step) does not lead from \(start) to \(end)")
        let count = Int(((Double(end) - Double(start)) / Double(step)).rounded(.up))
        return Tensor((0..<count).map { Float(Double(start) + Double($0) * Double(step)) })
    }

    /// The whole numbers `0..<count`: `int64`.
    public static func indices(_ count: Int) -> Tensor { Tensor((0..<Int64(count)).map { $0 }) }

    /// `count` numbers in equal steps from `start` through `end`.
    public static func linspace(_ start: Float, through end: Float, count: Int) -> Tensor {
        require(count >= 0, "linspace: the count \(count) is negative")
        let step = count > 1 ? (Double(end) - Double(start)) / Double(count - 1) : 0
        return Tensor((0..<count).map { $0 > 0 && $0 == count - 1 ? end : Float(Double(start) + Double($0) * step) })
    }

    /// The matrix with ones on its diagonal and zeros elsewhere.
    public static func eye(_ rows: Int, columns: Int? = nil) -> Tensor {
        Tensor.ones([rows, columns ?? rows]).lowerTriangle().upperTriangle()
    }

    /// Matrices (the last two axes) with zeros above the diagonal that lies `offset` places right of the main one
    /// (`tril`).
    public func lowerTriangle(offset: Int = 0) -> Tensor {
        requireMatrix("lower triangle")
        return .applying(Triangle(isLower: true, offset: offset), to: self)
    }

    /// Matrices (the last two axes) with zeros below the diagonal that lies `offset` places right of the main one
    /// (`triu`).
    public func upperTriangle(offset: Int = 0) -> Tensor {
        requireMatrix("upper triangle")
        return .applying(Triangle(isLower: false, offset: offset), to: self)
    }

    /// The diagonal of matrices (the last two axes) that lies `offset` places right of the main one. Shares the
    /// storage.
    ///
    /// - Shapes: `[…, M, N]` → `[…, D]`.
    public func diagonal(offset: Int = 0) -> Tensor {
        requireMatrix("diagonal")
        return .applying(Diagonal(offset: offset), to: self)
    }

    /// Square matrices with these elements on the diagonal that lies `offset` places right of the main one, and zeros
    /// elsewhere (`diag_embed`).
    ///
    /// - Shapes: `[…, D]` → `[…, N, N]`.
    public func diagonalMatrix(offset: Int = 0) -> Tensor {
        require(rank >= 1, "diagonal matrix: a scalar has no elements in a row")
        return .applying(DiagonalMatrix(offset: offset), to: self)
    }

    func requireMatrix(_ operation: String) {
        require(rank >= 2, "\(operation): shape \(shape) has fewer than two axes")
    }
}

struct Triangle: Operation {
    let isLower: Bool
    let offset: Int

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0].contiguous()
        let output = Tensor.zeros(input.shape, input.elementType)
        let (rows, columns) = (input.shape[input.rank - 2], input.shape[input.rank - 1])
        let width = input.elementType.byteCount
        withExtendedLifetime((input.storage, output.storage)) {
            for row in 0..<input.shape.dropLast().reduce(1, *) {
                let edge = row % rows + offset
                let kept = isLower ? 0..<min(max(edge + 1, 0), columns) : min(max(edge, 0), columns)..<columns
                let start = (row * columns + kept.lowerBound) * width
                (output.rawPointer + start).copyMemory(from: input.rawPointer + start, byteCount: kept.count * width)
            }
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [forward([gradient])] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Diagonal: Operation {
    let offset: Int

    func forward(_ inputs: [Tensor]) -> Tensor { part(of: inputs[0]) }

    func part(of matrix: Tensor) -> Tensor {
        let (row, column) = (matrix.rank - 2, matrix.rank - 1)
        let (first, skipped) = (max(-offset, 0), max(offset, 0))
        let count = max(min(matrix.shape[row] - first, matrix.shape[column] - skipped), 0)
        return matrix.view(
            shape: matrix.shape.dropLast(2) + [count],
            strides: matrix.strides.dropLast(2) + [matrix.strides[row] + matrix.strides[column]],
            offset: matrix.offset + first * matrix.strides[row] + skipped * matrix.strides[column])
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let result = Tensor.zeros(saved.inputShapes[0], gradient.elementType)
        gradient.copyElements(into: part(of: result), at: 0)
        return [result]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct DiagonalMatrix: Operation {
    let offset: Int

    func forward(_ inputs: [Tensor]) -> Tensor {
        let size = inputs[0].shape[inputs[0].rank - 1] + abs(offset)
        let output = Tensor.zeros(inputs[0].shape.dropLast() + [size, size], inputs[0].elementType)
        inputs[0].copyElements(into: Diagonal(offset: offset).part(of: output), at: 0)
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [Diagonal(offset: offset).part(of: gradient)] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}
