/// Some elements of a value of a graph, in some order: what reshaping, permuting, slicing and broadcasting make of it
/// without moving anything.
struct StridedView {
    /// The value whose elements stand in memory row by row.
    let value: Int
    private(set) var offset = 0
    private(set) var shape: [Int]
    private(set) var strides: [Int]

    init(of value: Int, shape: [Int]) {
        self.value = value
        self.shape = shape
        strides = shape.rowMajorStrides
    }

    /// The view that `operation` makes, if it is one that moves nothing.
    fileprivate func seen(through operation: any Operation) -> StridedView? {
        var view = self
        switch operation {
        case let reshape as Reshape:
            guard let strides = Self.strides(of: shape, strides, reshapedTo: reshape.shape) else { return nil }
            (view.shape, view.strides) = (reshape.shape, strides)
        case let permute as Permute:
            view.shape = permute.axes.map { shape[$0] }
            view.strides = permute.axes.map { strides[$0] }
        case let slice as Slice:
            view.shape[slice.axis] = (slice.range.count + slice.step - 1) / slice.step
            view.strides[slice.axis] *= slice.step
            view.offset += slice.range.lowerBound * strides[slice.axis]
        case let broadcast as Broadcast:
            let lead = broadcast.shape.count - shape.count
            view.strides = broadcast.shape.indices.map { axis in
                axis < lead || shape[axis - lead] == 1 ? 0 : strides[axis - lead]
            }
            view.shape = broadcast.shape
        default: return nil
        }
        return view
    }

    /// Strides under which the elements, in their order, have another shape; `nil` if there are none.
    static func strides(of shape: [Int], _ strides: [Int], reshapedTo target: [Int]) -> [Int]? {
        if shape.contains(0) { return target.rowMajorStrides }
        // Axes of one element are nowhere in the way.
        let kept = shape.indices.filter { shape[$0] != 1 }
        let (shape, strides) = (kept.map { shape[$0] }, kept.map { strides[$0] })
        var result = [Int](repeating: 1, count: target.count)
        var (from, to) = (0, 0)
        while from < shape.count {
            // The shortest runs of axes, on both sides, that hold the same elements.
            let (firstFrom, firstTo) = (from, to)
            var (size, targetSize) = (shape[from], target[to])
            (from, to) = (from + 1, to + 1)
            while size != targetSize {
                if targetSize < size {
                    targetSize *= target[to]
                    to += 1
                } else {
                    size *= shape[from]
                    from += 1
                }
            }
            // Several axes are one if each steps over all of the next.
            for axis in firstFrom..<from - 1 where strides[axis] != strides[axis + 1] * shape[axis + 1] { return nil }
            var step = strides[from - 1]
            for axis in (firstTo..<to).reversed() {
                result[axis] = step
                step *= target[axis]
            }
        }
        return result
    }
}

extension Graph {
    /// `value` as a view of a value that stands in memory.
    func view(of value: Int) -> StridedView {
        let node = nodes[value]
        if let operation = node.operation, case .value(let source) = node.operands.first,
            let seen = view(of: source).seen(through: operation)
        {
            return seen
        }
        return StridedView(of: root(of: value), shape: node.shape)
    }

    /// Whether `value` is no more than a view of another.
    func isView(_ value: Int) -> Bool { view(of: value).value != value }
}
