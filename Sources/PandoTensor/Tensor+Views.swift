// Other ways to look at the same storage, and the copies that become necessary.

extension Tensor {
    /// The same elements in the same order under another shape; one size may be -1, which means the rest.
    ///
    /// Shares the storage if the tensor is contiguous, copies otherwise.
    public func reshaped(_ shape: [Int]) -> Tensor {
        var target = shape
        if let free = shape.firstIndex(of: -1) {
            let known = shape.enumerated().reduce(1) { $1.offset == free ? $0 : $0 * $1.element }
            require(
                known > 0 && elementCount % known == 0,
                "reshape: \(elementCount) elements of shape \(self.shape) do not divide into \(shape)")
            target[free] = elementCount / known
        }
        require(
            target.elementCount == elementCount,
            "reshape: shape \(self.shape) has \(elementCount) elements, \(shape) has \(target.elementCount)")
        return .applying(Reshape(shape: target), to: self)
    }

    public func reshaped(_ shape: Int...) -> Tensor { reshaped(shape) }

    /// Axes in another order: axis `i` of the result is axis `axes[i]` of this tensor. Shares the storage.
    public func permuted(_ axes: [Int]) -> Tensor {
        require(axes.sorted() == Array(0..<rank), "permute: \(axes) is no order of the \(rank) axes of shape \(shape)")
        return .applying(Permute(axes: axes), to: self)
    }

    public func permuted(_ axes: Int...) -> Tensor { permuted(axes) }

    /// The last two axes exchanged. Shares the storage.
    public var transposed: Tensor {
        require(rank >= 2, "transpose: shape \(shape) has fewer than two axes")
        return permuted(Array(0..<rank - 2) + [rank - 1, rank - 2])
    }

    /// Repeated along axes of size 1 and new leading axes until it has `shape`, as in NumPy. Shares the storage.
    public func broadcast(to shape: [Int]) -> Tensor {
        if shape == self.shape { return self }
        require(
            shape.count >= rank && zip(self.shape.reversed(), shape.reversed()).allSatisfy { $0 == $1 || $0 == 1 },
            "broadcast: shape \(self.shape) does not stretch to \(shape)")
        return .applying(Broadcast(shape: shape), to: self)
    }

    /// Two axes exchanged. Shares the storage.
    public func swapping(_ first: Int, _ second: Int) -> Tensor {
        var axes = Array(shape.indices)
        axes.swapAt(normalized(first), normalized(second))
        return permuted(axes)
    }

    /// The part from `range.lowerBound` up to `range.upperBound` along `axis`, or every `step`th element of it from the
    /// first on. Shares the storage.
    public func slice(_ range: Range<Int>, along axis: Int = 0, step: Int = 1) -> Tensor {
        let axis = normalized(axis)
        require(
            range.lowerBound >= 0 && range.upperBound <= shape[axis],
            "slice: \(range) is outside 0..<\(shape[axis]) along axis \(axis) of shape \(shape)")
        require(step >= 1, "slice: a step of \(step), expected at least 1")
        return .applying(Slice(axis: axis, range: range, step: step), to: self)
    }

    /// The elements at `index` along `axis`, which goes away. Shares the storage.
    public func element(_ index: Int, along axis: Int = 0) -> Tensor {
        slice(index..<index + 1, along: axis).dropping([axis])
    }

    /// The axes `first` through `last` as one.
    public func flattened(from first: Int = 0, through last: Int = -1) -> Tensor {
        if rank == 0 { return reshaped([1]) }
        let (first, last) = (normalized(first), normalized(last))
        require(first <= last, "flatten: axis \(first) stands behind axis \(last)")
        return reshaped(shape[..<first] + [shape[first...last].reduce(1, *)] + shape[(last + 1)...])
    }

    /// Without the axis `axis`, which has size 1.
    public func squeezed(_ axis: Int) -> Tensor {
        let axis = normalized(axis)
        require(shape[axis] == 1, "squeeze: axis \(axis) of shape \(shape) does not have size 1")
        return dropping([axis])
    }

    /// Without all axes of size 1.
    public func squeezed() -> Tensor { reshaped(shape.filter { $0 != 1 }) }

    /// An axis of size 1 put in at `axis` (`unsqueeze`).
    public func expanded(at axis: Int) -> Tensor {
        let axis = axis < 0 ? axis + rank + 1 : axis
        require((0...rank).contains(axis), "expand: axis \(axis) is outside 0...\(rank)")
        var target = shape
        target.insert(1, at: axis)
        return reshaped(target)
    }

    /// The same values row by row without gaps; itself if it already is so.
    public func contiguous() -> Tensor {
        isContiguous ? self : .applying(Contiguous(), to: self)
    }

    /// `axis` counted from the front; negative axes count from the back.
    func normalized(_ axis: Int) -> Int {
        let positive = axis < 0 ? axis + rank : axis
        require((0..<rank).contains(positive), "axis \(axis) does not exist in shape \(shape)")
        return positive
    }

    /// Sums a gradient over the axes along which a value of `shape` was broadcast.
    func summed(toShape shape: [Int]) -> Tensor {
        if self.shape == shape { return self }
        let lead = rank - shape.count
        let axes = (0..<rank).filter { $0 < lead || (shape[$0 - lead] == 1 && self.shape[$0] != 1) }
        return sum(along: axes, keepingAxes: true).reshaped(shape)
    }

    func view(shape: [Int], strides: [Int], offset: Int? = nil) -> Tensor {
        Tensor(
            storage: storage, offset: offset ?? self.offset, shape: shape, strides: strides, elementType: elementType)
    }
}

struct Reshape: Operation {
    let shape: [Int]

    func forward(_ inputs: [Tensor]) -> Tensor {
        inputs[0].contiguous().view(shape: shape, strides: shape.rowMajorStrides)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [gradient.reshaped(saved.inputShapes[0])] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Permute: Operation {
    let axes: [Int]

    func forward(_ inputs: [Tensor]) -> Tensor {
        inputs[0].view(shape: axes.map { inputs[0].shape[$0] }, strides: axes.map { inputs[0].strides[$0] })
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        var inverse = axes
        for (position, axis) in axes.enumerated() { inverse[axis] = position }
        return [gradient.permuted(inverse)]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Broadcast: Operation {
    let shape: [Int]

    func forward(_ inputs: [Tensor]) -> Tensor {
        let lead = shape.count - inputs[0].rank
        let strides = shape.indices.map { axis in
            axis < lead || inputs[0].shape[axis - lead] == 1 ? 0 : inputs[0].strides[axis - lead]
        }
        return inputs[0].view(shape: shape, strides: strides)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [gradient.summed(toShape: saved.inputShapes[0])] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Slice: Operation {
    let axis: Int
    let range: Range<Int>
    let step: Int

    func forward(_ inputs: [Tensor]) -> Tensor { part(of: inputs[0]) }

    private func part(of tensor: Tensor) -> Tensor {
        var (shape, strides) = (tensor.shape, tensor.strides)
        shape[axis] = (range.count + step - 1) / step
        strides[axis] *= step
        return tensor.view(
            shape: shape, strides: strides, offset: tensor.offset + range.lowerBound * tensor.strides[axis])
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let result = Tensor.zeros(saved.inputShapes[0], gradient.elementType)
        gradient.copyElements(into: part(of: result), at: 0)
        return [result]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Contiguous: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor {
        let output = Tensor(uninitialized: inputs[0].shape, inputs[0].elementType)
        inputs[0].copyElements(into: output, at: 0)
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [gradient] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

extension Tensor {
    /// Writes this tensor's elements into `target`, a tensor nobody else has seen yet, from element `position` on,
    /// stepping as `target` does.
    func copyElements(into target: Tensor, at position: Int) {
        PandoTensor.copyElements(
            shape, from: rawPointer, strides, to: target.rawPointer + position * elementType.byteCount, target.strides,
            byteCount: elementType.byteCount)
    }
}

/// Copies elements of `byteCount` bytes each from one arrangement to another of the same shape.
func copyElements(
    _ shape: [Int], from source: UnsafeRawPointer, _ sourceStrides: [Int], to target: UnsafeMutableRawPointer,
    _ targetStrides: [Int], byteCount: Int
) {
    @inline(__always)
    func copy<Word: BitwiseCopyable>(_ word: Word.Type) {
        let (source, target) = (source.assumingMemoryBound(to: word), target.assumingMemoryBound(to: word))
        forEachRow(shape, sourceStrides, targetStrides) { count, from, fromStep, to, toStep in
            if fromStep == 1 && toStep == 1 {
                (target + to).update(from: source + from, count: count)
            } else {
                for index in 0..<count { target[to + index * toStep] = source[from + index * fromStep] }
            }
        }
    }
    switch byteCount {
    case 1: copy(UInt8.self)
    case 2: copy(UInt16.self)
    case 4: copy(UInt32.self)
    default: copy(UInt64.self)
    }
}

/// Calls `body` for each run along the last axis: its length, and where it starts and how it steps in two layouts of
/// the same shape.
@inline(__always)
func forEachRow(
    _ shape: [Int], _ first: [Int], _ second: [Int],
    _ body: (_ count: Int, _ firstStart: Int, _ firstStep: Int, _ secondStart: Int, _ secondStep: Int) -> Void
) {
    guard let last = shape.indices.last else { return body(1, 0, 1, 0, 1) }
    if shape.contains(0) { return }
    var index = [Int](repeating: 0, count: last)
    var (firstStart, secondStart) = (0, 0)
    while true {
        body(shape[last], firstStart, first[last], secondStart, second[last])
        var axis = last - 1
        while axis >= 0 {
            index[axis] += 1
            firstStart += first[axis]
            secondStart += second[axis]
            if index[axis] < shape[axis] { break }
            firstStart -= first[axis] * shape[axis]
            secondStart -= second[axis] * shape[axis]
            index[axis] = 0
            axis -= 1
        }
        if axis < 0 { return }
    }
}
