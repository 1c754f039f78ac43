import PandoTensor

/// A value of the function as it stands in the file: perhaps with its axes in another order, perhaps to be reshaped.
///
/// Permuting and reshaping only change how a value is seen. Nodes are written for them once somebody needs the
/// elements in that order, so maps keep channels first from one convolution to the next, and tokens keep their three
/// axes through linear maps of rows.
struct ExportedValue: Hashable {
    var name: String
    /// Sizes as they stand in the file.
    var stored: [Extent]
    /// Axis `i` in the file is axis `layout[i]` of the value before it is reshaped.
    var layout: [Int]
    /// Sizes of the value; it is reshaped, row by row, if they are not `plain`.
    var shape: [Extent]
    /// `.float32`, `.int64` or `.bool`.
    var type: ElementType = .float32

    /// Sizes in the value's own order of axes, before it is reshaped.
    var plain: [Extent] { layout.indices.map { stored[place(of: $0)] } }

    var isReshaped: Bool { shape != plain }

    /// Where axis `axis` stands in the file.
    func place(of axis: Int) -> Int { layout.firstIndex(of: axis)! }

    /// Whether the elements stand in the file row by row; axes of one element do not count.
    var isRowMajor: Bool {
        let order = layout.filter { plain[$0] != .one }
        return order == order.sorted()
    }

    static func inOrder(_ name: String, _ shape: [Extent], _ type: ElementType = .float32) -> ExportedValue {
        ExportedValue(name: name, stored: shape, layout: Array(shape.indices), shape: shape, type: type)
    }

    /// A value of `shape` whose axes stand in the file in the order `layout`.
    static func arranged(
        _ name: String, _ shape: [Extent], _ layout: [Int], _ type: ElementType = .float32
    ) -> ExportedValue {
        ExportedValue(name: name, stored: layout.map { shape[$0] }, layout: layout, shape: shape, type: type)
    }

    /// Batch, channels, then places: how the field's files have maps.
    static func channelsFirst(rank: Int) -> [Int] {
        rank < 2 ? Array(0..<rank) : [0, rank - 1] + Array(1..<rank - 1)
    }
}

extension [Extent] {
    /// How many elements there are, for a batch of two.
    var weight: Int { reduce(1) { $0 * $1.count * ($1.isPerElement ? 2 : 1) } }
}
