import PandoTensor

/// A head's outputs for several examples: one row an example, one column a class.
public struct ScoreTable: Sendable, Hashable {
    /// Row by row.
    public let values: [Float]
    public let columnCount: Int

    /// - Precondition: whole rows.
    public init(_ values: [Float], columnCount: Int) {
        require(
            columnCount > 0 && values.count % columnCount == 0,
            "ScoreTable: \(values.count) values do not make rows of \(columnCount)")
        self.values = values
        self.columnCount = columnCount
    }

    public var rowCount: Int { values.count / columnCount }

    public subscript(row: Int, column: Int) -> Float { values[row * columnCount + column] }

    /// The column of the row's largest value; the first of equal ones.
    public func largest(inRow row: Int) -> Int {
        var best = 0
        for column in 1..<max(columnCount, 1) where self[row, column] > self[row, best] { best = column }
        return best
    }
}
