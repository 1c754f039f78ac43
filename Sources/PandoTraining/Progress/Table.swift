/// Rows of texts in aligned columns, for people to read.
///
/// ```
/// task      metric     value
/// ────────  ────────  ──────
/// category  accuracy  0.7612
/// ```
public struct Table: Sendable, CustomStringConvertible {
    public enum Alignment: Sendable { case left, right }

    /// A column's title and the side its cells stand on.
    public struct Column: Sendable {
        public var title: String
        public var alignment: Alignment

        public init(_ title: String, _ alignment: Alignment = .left) {
            self.title = title
            self.alignment = alignment
        }
    }

    public let columns: [Column]
    private var rows: [[String]] = []
    /// No cell takes more columns than this; a longer one is cut with `…`.
    private let widest: Int

    public init(_ columns: [Column], widestCell widest: Int = 60) {
        self.columns = columns
        self.widest = max(widest, 2)
    }

    /// Adds a row; missing cells are empty. Line breaks in a cell become spaces.
    public mutating func add(_ cells: [String]) {
        var row = cells.prefix(columns.count).map { cell in
            DisplayWidth.cut(String(cell.map { $0.isNewline || $0 == "\t" ? " " : $0 }), to: widest)
        }
        row += Array(repeating: "", count: columns.count - row.count)
        rows.append(row)
    }

    public mutating func add(_ cells: String...) { add(cells) }

    public var isEmpty: Bool { rows.isEmpty }

    public var description: String {
        let widths = columns.indices.map { column in
            ([columns[column].title] + rows.map { $0[column] }).map(DisplayWidth.of).max() ?? 0
        }
        func line(_ cells: [String]) -> String {
            let padded = cells.indices.map {
                DisplayWidth.pad(cells[$0], to: widths[$0], atStart: columns[$0].alignment == .right)
            }
            let text = padded.joined(separator: "  ")
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
        let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")
        return ([line(columns.map(\.title)), rule] + rows.map(line)).joined(separator: "\n")
    }
}
