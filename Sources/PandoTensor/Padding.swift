// What lies around a map, and the windows that slide over it.

/// How many zeros stand before and after a map along each of its spatial axes.
public struct Padding: Hashable, Sendable {
    /// One size for each axis (depth, height, width), or one for all.
    public var before: [Int]
    public var after: [Int]

    /// The same number of zeros on all sides.
    public init(_ size: Int) {
        before = [size]
        after = [size]
    }

    /// - Precondition: as many sizes in both: one for each axis, or one for all.
    public init(before: [Int], after: [Int]) {
        require(
            before.count == after.count && (1...3).contains(before.count),
            "padding takes one size for each axis, or one for all, got \(before) and \(after)")
        self.before = before
        self.after = after
    }

    /// TensorFlow's "same": the output has `ceil(size / stride)` pixels; an odd rest goes after the map.
    public static func same(height: Int, width: Int, kernel: Int, stride: Int) -> Padding {
        let total = [height, width].map { max(0, (($0 + stride - 1) / stride - 1) * stride + kernel - $0) }
        return Padding(before: total.map { $0 / 2 }, after: total.map { $0 - $0 / 2 })
    }
}

extension PrimitiveRecipe.Window {
    /// A window over `axes` spatial axes. What is given for one axis alone counts for all.
    ///
    /// Stops the program, in the name of `operation`, unless all sizes are ones that a window can have.
    init(_ operation: String, axes: Int, kernel: [Int], stride: [Int], dilation: [Int], padding: Padding) {
        func each(_ sizes: [Int], _ name: String, from least: Int) -> [Int] {
            require(
                (sizes.count == 1 || sizes.count == axes) && sizes.allSatisfy { $0 >= least },
                "\(operation): \(name) \(sizes), expected \(axes) sizes of at least \(least), or one for all")
            return sizes.count == axes ? sizes : [Int](repeating: sizes[0], count: axes)
        }
        self.init(
            kernel: each(kernel, "kernel", from: 1), stride: each(stride, "stride", from: 1),
            dilation: each(dilation, "dilation", from: 1),
            paddingBefore: each(padding.before, "padding", from: 0),
            paddingAfter: each(padding.after, "padding", from: 0))
    }

    /// How many pixels the window covers along `axis`, gaps between its taps included.
    func reach(_ axis: Int) -> Int { dilation[axis] * (kernel[axis] - 1) + 1 }

    /// The spatial sizes after the window has passed over a map `[N, …, C]`.
    func outputSize(_ shape: [Int]) -> [Int] {
        kernel.indices.map { axis in
            let room = shape[1 + axis] + paddingBefore[axis] + paddingAfter[axis] - reach(axis)
            require(
                room >= 0,
                "a window of \(kernel) with dilation \(dilation) does not fit a map of shape \(shape)")
            return room / stride[axis] + 1
        }
    }
}
