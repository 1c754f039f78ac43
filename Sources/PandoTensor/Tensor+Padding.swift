// Elements put before and after, turned around, moved and repeated.

/// What stands in the places that padding adds.
public enum PaddingMode: Hashable, Sendable {
    case constant(Float)
    /// The elements mirrored at the last one, which is not repeated.
    case reflect
    /// The last element again and again.
    case replicate
    /// The elements from the other end.
    case circular
}

extension Tensor {
    /// With `before[i]` places added in front and `after[i]` behind along each axis `i`.
    ///
    /// - Precondition: a count for every axis, none negative; `reflect` adds fewer than there are elements, `circular`
    ///   at most as many, `replicate` only to axes that have some.
    public func padded(before: [Int], after: [Int], _ mode: PaddingMode = .constant(0)) -> Tensor {
        require(
            before.count == rank && after.count == rank && (before + after).allSatisfy { $0 >= 0 },
            "pad: \(before) and \(after) places for shape \(shape), expected \(rank) counts each, none negative")
        if case .constant(let value) = mode {
            return .applying(ConstantPad(before: before, after: after, value: value), to: self)
        }
        return shape.indices.reduce(self) { tensor, axis in
            if before[axis] == 0 && after[axis] == 0 { return tensor }
            let size = shape[axis]
            let limit = mode == .reflect ? size - 1 : mode == .circular ? size : size == 0 ? -1 : Int.max
            require(
                Swift.max(before[axis], after[axis]) <= limit,
                "pad: \(before[axis]) and \(after[axis]) places by \(mode) for \(size) elements along axis \(axis)")
            let indices = (-before[axis]..<size + after[axis]).map { Int64(mode.source(of: $0, count: size)) }
            return tensor.gathered(at: Tensor(indices), along: axis)
        }
    }

    /// The elements in reverse along `axes` (all of them if `nil`).
    public func flipped(along axes: [Int]? = nil) -> Tensor {
        .applying(Flip(axes: Set((axes ?? Array(0..<rank)).map(normalized))), to: self)
    }

    /// The elements moved on by `shift` places along `axis`; those that leave at one end come in at the other.
    public func rolled(by shift: Int, along axis: Int) -> Tensor {
        let axis = normalized(axis)
        let size = shape[axis]
        guard size > 0, shift % size != 0 else { return self }
        let start = ((size - shift) % size + size) % size
        return .concatenated([slice(start..<size, along: axis), slice(0..<start, along: axis)], along: axis)
    }

    /// The elements moved on by `shifts` places along `axes`, each axis by its own.
    public func rolled(by shifts: [Int], along axes: [Int]) -> Tensor {
        require(shifts.count == axes.count, "roll: \(shifts.count) shifts for \(axes.count) axes")
        return zip(shifts, axes).reduce(self) { $0.rolled(by: $1.0, along: $1.1) }
    }

    /// The whole tensor `counts[i]` times along each axis `i`; more counts than axes make new leading axes (`tile`).
    public func repeated(_ counts: [Int]) -> Tensor {
        require(
            counts.count >= rank && counts.allSatisfy { $0 >= 0 },
            "repeat: counts \(counts) for shape \(shape), expected at least \(rank), none negative")
        let sizes = [Int](repeating: 1, count: counts.count - rank) + shape
        let apart = reshaped(sizes.flatMap { [1, $0] })
        return apart.broadcast(to: zip(counts, sizes).flatMap { [$0, $1] }).reshaped(zip(counts, sizes).map { $0 * $1 })
    }

    /// Each element `count` times in a row along `axis` (`repeat_interleave`).
    public func repeatedElements(_ count: Int, along axis: Int) -> Tensor {
        require(count >= 0, "repeat: the count \(count) is negative")
        let axis = normalized(axis)
        var (stretched, target) = (shape, shape)
        stretched.insert(count, at: axis + 1)
        target[axis] *= count
        return expanded(at: axis + 1).broadcast(to: stretched).reshaped(target)
    }

    /// The parts of the given sizes, one after another along `axis`. They share the storage.
    /// - Precondition: the sizes sum to that of the axis.
    public func split(_ sizes: [Int], along axis: Int = 0) -> [Tensor] {
        let axis = normalized(axis)
        require(
            sizes.allSatisfy { $0 >= 0 } && sizes.reduce(0, +) == shape[axis],
            "split: sizes \(sizes) do not make up axis \(axis) of shape \(shape)")
        var start = 0
        return sizes.map { size in
            defer { start += size }
            return slice(start..<start + size, along: axis)
        }
    }

    /// Parts of `size` elements along `axis`, the last one perhaps smaller. They share the storage.
    public func split(every size: Int, along axis: Int = 0) -> [Tensor] {
        require(size >= 1, "split: parts of \(size) elements")
        let count = shape[normalized(axis)]
        return stride(from: 0, to: count, by: size).map { slice($0..<Swift.min($0 + size, count), along: axis) }
    }

    /// The elements along `axis`, each without that axis. They share the storage.
    public func unstacked(along axis: Int = 0) -> [Tensor] {
        (0..<shape[normalized(axis)]).map { element($0, along: axis) }
    }
}

extension PaddingMode {
    /// Which of `count` elements stands at `place`, before or behind them.
    fileprivate func source(of place: Int, count: Int) -> Int {
        switch self {
        case .reflect: place < 0 ? -place : place < count ? place : 2 * (count - 1) - place
        case .circular: (place + count) % count
        case .replicate, .constant: Swift.min(Swift.max(place, 0), count - 1)
        }
    }
}

struct ConstantPad: Operation {
    let before: [Int]
    let after: [Int]
    let value: Float

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0]
        let shape = input.shape.indices.map { before[$0] + input.shape[$0] + after[$0] }
        let output =
            value == 0
            ? Tensor.zeros(shape, input.elementType) : .filled(shape, with: value).cast(to: input.elementType)
        input.copyElements(into: part(of: output, input.shape), at: 0)
        return output
    }

    private func part(of tensor: Tensor, _ shape: [Int]) -> Tensor {
        let start = zip(before, tensor.strides).reduce(tensor.offset) { $0 + $1.0 * $1.1 }
        return tensor.view(shape: shape, strides: tensor.strides, offset: start)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [part(of: gradient, saved.inputShapes[0])] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Flip: Operation {
    let axes: Set<Int>

    /// Reads the input backwards: a view with negative strides, which nobody else sees.
    func forward(_ inputs: [Tensor]) -> Tensor {
        var (strides, offset) = (inputs[0].strides, inputs[0].offset)
        for axis in axes {
            offset += (inputs[0].shape[axis] - 1) * strides[axis]
            strides[axis] = -strides[axis]
        }
        let output = Tensor(uninitialized: inputs[0].shape, inputs[0].elementType)
        if output.elementCount > 0 {
            inputs[0].view(shape: output.shape, strides: strides, offset: offset).copyElements(into: output, at: 0)
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [forward([gradient])] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}
