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

    /// The tensors, all of one shape, along a new axis at `axis`.
    public static func stacked(_ tensors: [Tensor], along axis: Int = 0) -> Tensor {
        concatenated(tensors.map { $0.expanded(at: axis) }, along: axis)
    }

    /// The elements along `axis` at `indices`, in that order: whole rows for the first axis (`index_select`).
    ///
    /// - Shapes: `[…, N, …]` and `int64` or `int32` indices `[…i]` → `[…, …i, …]`.
    /// - Precondition: every index is in `0..<N`.
    public func gathered(at indices: Tensor, along axis: Int = 0) -> Tensor {
        require(rank >= 1, "gather: a scalar has no rows")
        indices.requireIndices("gather")
        return .applying(Gather(axis: normalized(axis)), to: self, indices)
    }

    /// Stops the program if the elements cannot be positions.
    func requireIndices(_ operation: String) {
        require(
            elementType == .int64 || elementType == .int32,
            "\(operation): the indices are \(elementType), expected int64 or int32")
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
    let axis: Int

    func forward(_ inputs: [Tensor]) -> Tensor {
        let source = inputs[0].contiguous()
        let rows = inputs[1].cast(to: .int64)
        let (outer, inner) = (source.shape[..<axis], source.shape[(axis + 1)...])
        let output = Tensor(uninitialized: outer + rows.shape + inner, source.elementType)
        let width = inner.reduce(1, *) * source.elementType.byteCount
        let count = source.shape[axis]
        rows.withScalars(as: Int64.self) { rows in
            for row in rows {
                require((0..<Int64(count)).contains(row), "gather: row \(row) is outside 0..<\(count)")
            }
            withExtendedLifetime(source.storage) {
                for block in 0..<outer.reduce(1, *) {
                    let from = source.rawPointer + block * count * width
                    let to = output.rawPointer + block * rows.count * width
                    for (position, row) in rows.enumerated() {
                        (to + position * width).copyMemory(from: from + Int(row) * width, byteCount: width)
                    }
                }
            }
        }
        return output
    }

    /// Rows picked several times collect several gradients.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let (count, width) = (shape[axis], shape[(axis + 1)...].reduce(1, *))
        let type = gradient.elementType
        let result = saved.input(1).cast(to: .int64).withScalars(as: Int64.self) { rows in
            gradient.cast(to: .float32).withScalars { source in
                Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                    target.initialize(repeating: 0)
                    for block in 0..<shape[..<axis].reduce(1, *) {
                        for (position, row) in rows.enumerated() {
                            let to = (block * count + Int(row)) * width
                            let from = (block * rows.count + position) * width
                            for column in 0..<width { target[to + column] += source[from + column] }
                        }
                    }
                }
            }
        }
        return [result.cast(to: type), nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([1]) }
}
