import PandoTensor

/// A value of a running graph: a tensor, and how the axes that the graph speaks of stand in it.
///
/// Graphs have channels in front of pixels, kernels want them last; exporters write transposes and reshapes between
/// the two. Here those move nothing: each axis of the value names the axes of the tensor that it is made of, outermost
/// first. Only an operator that needs the elements in a certain order brings them into it.
struct ONNXValue: Sendable {
    /// The elements.
    let stored: Tensor
    /// For each axis of the value, the axes of `stored` that it is made of, outermost first; none for an axis of size
    /// 1 that stands nowhere. Each axis of `stored` occurs once.
    let axes: [[Int]]
    let kind: ONNXElementType.Kind

    init(stored: Tensor, axes: [[Int]], kind: ONNXElementType.Kind) {
        self.stored = stored
        self.axes = axes
        self.kind = kind
    }

    /// A value whose axes are those of `tensor`.
    init(_ tensor: Tensor, _ kind: ONNXElementType.Kind = .float) {
        self.init(stored: tensor, axes: (0..<tensor.rank).map { [$0] }, kind: kind)
    }

    /// Whole numbers as a vector.
    init(_ integers: [Int]) { self.init(Tensor(integers.map(Int64.init)), .integer) }

    var rank: Int { axes.count }

    var shape: [Int] { axes.map { $0.reduce(1) { $0 * stored.shape[$1] } } }

    /// Whether the elements depend on what a program is traced for: they are not known then.
    var isTraced: Bool { stored.isDifferentiated }

    /// Another tensor, arranged like this value's.
    func with(_ tensor: Tensor, _ kind: ONNXElementType.Kind? = nil) -> ONNXValue {
        ONNXValue(stored: tensor, axes: axes, kind: kind ?? self.kind)
    }
}

// MARK: - The elements in a certain order

extension ONNXValue {
    /// The elements with one axis of the tensor for each axis of the value, in the order in which the graph has them.
    var tensor: Tensor { tensor(order: Array(0..<rank)) }

    /// The elements with one axis of the tensor for each axis of the value, axis `order[i]` in place `i`.
    func tensor(order: [Int]) -> Tensor {
        let shape = shape
        return Self.moved(stored, order.flatMap { axes[$0] }).shaped(order.map { shape[$0] })
    }

    /// A map `[N, C, …]` as kernels take it: `[N, …, C]`.
    var channelsLast: Tensor { tensor(order: [0] + Array(2..<rank) + [1]) }

    /// A value `[N, C, …]` whose elements are a map `[N, …, C]`.
    init(channelsLast map: Tensor, _ kind: ONNXElementType.Kind = .float) {
        self.init(stored: map, axes: [[0], [map.rank - 1]] + (1..<map.rank - 1).map { [$0] }, kind: kind)
    }

    /// `tensor` with its axes in the order `axes`; axes of one element move without anything being moved.
    private static func moved(_ tensor: Tensor, _ axes: [Int]) -> Tensor {
        if axes == Array(axes.indices) { return tensor }
        let wide = axes.filter { tensor.shape[$0] != 1 }
        if wide == wide.sorted() { return tensor.reshaped(axes.map { tensor.shape[$0] }) }
        return tensor.permuted(axes)
    }

    /// The value with one axis of the tensor for each of its own, in whatever order; nothing moves unless the parts of
    /// an axis stand apart.
    var compact: ONNXValue {
        if axes.allSatisfy({ $0.count == 1 }) { return self }
        guard isCompactable else { return ONNXValue(tensor, kind) }
        // The axes in the order in which they stand; those that stand nowhere come first.
        let keys = axes.map { parts in parts.first { stored.shape[$0] != 1 } ?? parts.first ?? -1 }
        let order = axes.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
        let shape = shape
        var places = [[Int]](repeating: [], count: rank)
        for (place, axis) in order.enumerated() { places[axis] = [place] }
        return ONNXValue(stored: stored.shaped(order.map { shape[$0] }), axes: places, kind: kind)
    }

    /// Whether the parts of each axis stand one behind the other, but for axes of one element.
    var isCompactable: Bool {
        axes.allSatisfy { parts in
            let wide = parts.filter { stored.shape[$0] != 1 }
            return zip(wide, wide.dropFirst()).allSatisfy { first, second in
                first < second && (first + 1..<second).allSatisfy { stored.shape[$0] == 1 }
            }
        }
    }

    /// Where axis `axis` of a compact value stands.
    func place(of axis: Int) -> Int { axes[axis][0] }
}

extension Tensor {
    /// The tensor in another shape, unless it has that already.
    func shaped(_ shape: [Int]) -> Tensor { shape == self.shape ? self : reshaped(shape) }
}

// MARK: - Moving axes

extension ONNXValue {
    /// The axes in another order: axis `i` of the result is axis `order[i]`.
    func transposed(_ order: [Int]) -> ONNXValue {
        ONNXValue(stored: stored, axes: order.map { axes[$0] }, kind: kind)
    }

    /// The same elements in the same order under another shape, which holds as many.
    func reshaped(_ target: [Int]) -> ONNXValue {
        if target == shape { return self }
        let parts = axes.flatMap(\.self)
        if parts == Array(parts.indices) || target.contains(0) {
            return ONNXValue(tensor.shaped(target), kind)
        }
        return regrouped(parts, target) ?? ONNXValue(tensor.reshaped(target), kind)
    }

    /// The value under another shape, whose axes are made of the parts of this one's, cut where they must be; `nil` if
    /// a part would have to be cut unevenly.
    private func regrouped(_ parts: [Int], _ target: [Int]) -> ONNXValue? {
        var pieces = [[Int]](repeating: [], count: stored.rank)
        var groups: [[(axis: Int, piece: Int)]] = []
        var queue = parts.map { (axis: $0, size: stored.shape[$0]) }[...]
        func take(_ size: Int) -> (axis: Int, piece: Int)? {
            guard let (axis, available) = queue.popFirst(), available % size == 0 else { return nil }
            pieces[axis].append(size)
            if available > size { queue = [(axis, available / size)] + queue }
            return (axis, pieces[axis].count - 1)
        }
        for size in target {
            var (group, open): ([(axis: Int, piece: Int)], Int) = ([], size)
            // An axis of one element becomes one of one element, as it would if both had more.
            if size == 1, queue.first?.size == 1 { open = 0 }
            while open != 1, let next = queue.first {
                let taken = open == 0 ? 1 : min(open, next.size)
                guard open % taken == 0, let piece = take(taken) else { return nil }
                group.append(piece)
                open = max(open / taken, 1)
            }
            groups.append(group)
        }
        // Axes of one element that no axis of the target takes go along with the last one.
        guard !groups.isEmpty else { return nil }
        while !queue.isEmpty {
            guard let piece = take(1) else { return nil }
            groups[groups.count - 1].append(piece)
        }
        var starts = [0]
        for axis in pieces { starts.append(starts[starts.count - 1] + axis.count) }
        return ONNXValue(
            stored: stored.shaped(pieces.flatMap(\.self)),
            axes: groups.map { $0.map { starts[$0.axis] + $0.piece } }, kind: kind)
    }

    /// With axes of size 1 put in at `places` of the result, which are in order.
    func unsqueezed(at places: [Int]) -> ONNXValue {
        var result = axes
        for place in places { result.insert([], at: place) }
        return ONNXValue(stored: stored, axes: result, kind: kind)
    }

    /// Without the axes `dropped`, which have size 1.
    func squeezed(_ dropped: Set<Int>) -> ONNXValue {
        let standing = Set(dropped.flatMap { axes[$0] })
        var (places, next) = ([Int](), 0)
        for axis in 0..<stored.rank {
            places.append(next)
            if !standing.contains(axis) { next += 1 }
        }
        return ONNXValue(
            stored: stored.shaped((0..<stored.rank).filter { !standing.contains($0) }.map { stored.shape[$0] }),
            axes: axes.indices.filter { !dropped.contains($0) }.map { axes[$0].map { places[$0] } }, kind: kind)
    }
}
