// Joining tensors and picking rows from them.

extension Tensor {
    /// The tensors one after another along `axis`.
    /// - Precondition: at least one; equal element types and, except along `axis`, shapes.
    public static func concatenated(_ tensors: [Tensor], along axis: Int = 0) -> Tensor {
        guard let first = tensors.first else { stop("concatenate: no tensors") }
        let axis = first.normalized(axis)
        for tensor in tensors {
            var shape = tensor.shape
            if tensor.rank == first.rank { shape[axis] = first.shape[axis] }
            require(
                shape == first.shape && tensor.elementType == first.elementType,
                "concatenate: \(tensor.elementType) \(tensor.shape) does not join \(first.elementType) \(first.shape) along axis \(axis)"
            )
        }
        return .applying(Concatenate(axis: axis), to: tensors)
    }

    /// The tensors, all of one shape, along a new first axis.
    public static func stacked(_ tensors: [Tensor]) -> Tensor {
        concatenated(tensors.map { $0.expanded(at: 0) })
    }

    /// The rows (first axis) at `indices`, in that order.
    ///
    /// - Shapes: `[N, …]` and `int64` or `int32` indices `[…i]` → `[…i, …]`.
    /// - Precondition: every index is in `0..<N`.
    public func gathered(at indices: Tensor) -> Tensor {
        require(rank >= 1, "gather: a scalar has no rows")
        require(
            indices.elementType == .int64 || indices.elementType == .int32,
            "gather: the indices are \(indices.elementType), expected int64 or int32")
        return .applying(Gather(), to: self, indices)
    }

    /// One element per row: element `indices[n]` of row `n`.
    ///
    /// - Shapes: `[N, K]` and `int64` indices `[N]` → `[N]`.
    public func picked(at indices: [Int]) -> Tensor {
        require(
            rank == 2 && shape[0] == indices.count,
            "pick: shape \(shape) needs \(shape.first ?? 0) indices, got \(indices.count)")
        let flat = zip(0..., indices).map { row, column in
            require((0..<shape[1]).contains(column), "pick: index \(column) in row \(row) is outside 0..<\(shape[1])")
            return Int64(row * shape[1] + column)
        }
        return reshaped(-1).gathered(at: Tensor(flat))
    }
}

struct Concatenate: Operation {
    let axis: Int

    func forward(_ inputs: [Tensor]) -> Tensor {
        var shape = inputs[0].shape
        shape[axis] = inputs.reduce(0) { $0 + $1.shape[axis] }
        let output = Tensor(uninitialized: shape, inputs[0].elementType)
        var start = 0
        for input in inputs where input.elementCount > 0 {
            input.copyElements(into: output, at: start * output.strides[axis])
            start += input.shape[axis]
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        var start = 0
        return zip(saved.inputShapes, saved.wanted).map { shape, wanted in
            defer { start += shape[axis] }
            return wanted ? gradient.slice(start..<start + shape[axis], along: axis) : nil
        }
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

struct Gather: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor {
        let source = inputs[0].contiguous()
        let rows = inputs[1].cast(to: .int64)
        let output = Tensor(uninitialized: rows.shape + source.shape.dropFirst(), source.elementType)
        let width = source.shape.dropFirst().reduce(1, *) * source.elementType.byteCount
        rows.withScalars(as: Int64.self) { rows in
            withExtendedLifetime(source.storage) {
                for (position, row) in rows.enumerated() {
                    require(
                        (0..<Int64(source.shape[0])).contains(row),
                        "gather: row \(row) is outside 0..<\(source.shape[0])")
                    (output.rawPointer + position * width)
                        .copyMemory(from: source.rawPointer + Int(row) * width, byteCount: width)
                }
            }
        }
        return output
    }

    /// Rows picked several times collect several gradients.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let width = shape.dropFirst().reduce(1, *)
        let type = gradient.elementType
        let result = saved.input(1).cast(to: .int64).withScalars(as: Int64.self) { rows in
            gradient.cast(to: .float32).withScalars { source in
                Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                    target.initialize(repeating: 0)
                    for (position, row) in rows.enumerated() {
                        let start = Int(row) * width
                        for column in 0..<width { target[start + column] += source[position * width + column] }
                    }
                }
            }
        }
        return [result.cast(to: type), nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([1]) }
}
