import PandoTensor

/// One feature of several contents, as it is appended.
struct FeatureBatch: Sendable {
    /// `[rows, …]` in float32; steps after a row's own are of no meaning.
    private let values: Tensor
    /// How many steps each row has of its own, if rows vary.
    private let lengths: [Int]?

    /// - Parameter lengths: of the rows of a varying feature; without them, rows are as long as the tensor.
    /// - Precondition: rows of the layout's shape, or no longer than that if they vary; lengths that the tensor has.
    init(_ name: String, _ tensor: Tensor, lengths: [Int]?, rowCount: Int, layout: FeatureLayout) {
        let given = layout.givenShape
        if layout.isVarying {
            require(
                tensor.rank == given.count + 1 && tensor.shape[0] == rowCount && tensor.shape[1] <= given[0]
                    && tensor.shape.dropFirst(2).elementsEqual(given.dropFirst()),
                "FeatureAppender: expected \(name) of shape \([rowCount] + given) or shorter, got \(tensor.shape)")
            let lengths = lengths ?? Array(repeating: tensor.shape[1], count: rowCount)
            require(
                lengths.count == rowCount && lengths.allSatisfy { (0...tensor.shape[1]).contains($0) },
                "FeatureAppender: expected \(rowCount) lengths of \(name) in 0...\(tensor.shape[1]), got \(lengths)")
            self.lengths = lengths
        } else {
            require(
                tensor.shape == [rowCount] + given,
                "FeatureAppender: expected \(name) of shape \([rowCount] + given), got \(tensor.shape)")
            require(lengths == nil, "FeatureAppender: \(name) has lengths, but is not one of the varying features")
            self.lengths = nil
        }
        values = tensor.cast(to: .float32).contiguous()
    }

    var rowCount: Int { values.shape[0] }
    var byteCount: Int { values.byteCount }

    /// How many vectors of the layout all rows have together.
    func vectorCount(_ layout: FeatureLayout) -> Int {
        (0..<rowCount).reduce(0) { count, row in
            let steps = lengths.map { ($0[row] + layout.codec.pooling - 1) / layout.codec.pooling } ?? 0
            return count + layout.shape(length: steps).dropLast().reduce(1, *)
        }
    }

    /// Calls `body` with a row's own numbers and its length, which is 0 if rows do not vary.
    func withRow<Result>(_ row: Int, _ body: (UnsafeBufferPointer<Float>, _ length: Int) -> Result) -> Result {
        let (stride, step) = (values.shape.dropFirst().reduce(1, *), values.shape.dropFirst(2).reduce(1, *))
        let length = lengths?[row] ?? 0
        let count = lengths == nil ? stride : length * step
        return values.withScalars { numbers in
            body(UnsafeBufferPointer(rebasing: numbers[row * stride..<row * stride + count]), length)
        }
    }

    /// The rows with a number that is NaN or infinite among their own.
    var nonFiniteRows: [Int] {
        (0..<rowCount).filter { row in
            withRow(row) { numbers, _ in
                // A float is not finite when all bits of its exponent are set.
                var isFinite = true
                for number in numbers where number.bitPattern & 0x7F80_0000 == 0x7F80_0000 { isFinite = false }
                return !isFinite
            }
        }
    }
}
