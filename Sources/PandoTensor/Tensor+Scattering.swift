// One element per index: picking from an axis, and adding to it.

extension Tensor {
    /// Along `axis`, for each place of `indices` the element that its index names; on the other axes the place itself
    /// (`torch.gather`).
    ///
    /// - Shapes: `[…, N, …]` and `int64` or `int32` indices `[…, K, …]`, not larger on the other axes → as `indices`.
    /// - Precondition: every index is in `0..<N`.
    public func elements(at indices: Tensor, along axis: Int) -> Tensor {
        let axis = normalized(axis)
        requireFits(indices, axis, "gather")
        return .applying(GatherElements(axis: axis), to: cropped(to: indices.shape, except: axis), indices)
    }

    /// With the elements of `source` added: each at its index along `axis`, on the other axes at its own place
    /// (`scatter_add`).
    ///
    /// - Shapes: `[…, N, …]`; `source` and `int64` or `int32` indices `[…, K, …]`, not larger on the other axes.
    /// - Precondition: every index is in `0..<N`; this tensor holds floating-point numbers.
    public func scatterAdded(_ source: Tensor, at indices: Tensor, along axis: Int) -> Tensor {
        requireFloatingPoint("scatter")
        let axis = normalized(axis)
        requireFits(indices, axis, "scatter")
        require(
            source.shape == indices.shape && source.elementType == elementType,
            "scatter: \(source.elementType) \(source.shape) at indices \(indices.shape) into \(elementType) \(shape)")
        let isWhole = cropped(to: indices.shape, except: axis).shape == shape
        if isWhole { return .applying(ScatterAdd(axis: axis), to: self, source, indices) }
        // The places beyond the indices get zeros.
        let part = Tensor.zeros(cropped(to: indices.shape, except: axis).shape, elementType)
        let sums = Tensor.applying(ScatterAdd(axis: axis), to: part, source, indices)
        let after = zip(shape, sums.shape).map { $0 - $1 }
        return self + sums.padded(before: shape.map { _ in 0 }, after: after)
    }

    /// For whole numbers `[…]` in `0..<classes`, rows `[…, classes]` that are 1 at that place and 0 elsewhere.
    public func oneHot(classes: Int) -> Tensor {
        requireIndices("one-hot")
        return cast(to: .int64).withScalars(as: Int64.self) { indices in
            Tensor(unsafeUninitialized: shape + [classes], of: Float.self) { target in
                target.initialize(repeating: 0)
                for (row, index) in indices.enumerated() {
                    require((0..<Int64(classes)).contains(index), "one-hot: \(index) is outside 0..<\(classes)")
                    target[row * classes + Int(index)] = 1
                }
            }
        }
    }

    private func requireFits(_ indices: Tensor, _ axis: Int, _ operation: String) {
        indices.requireIndices(operation)
        require(
            indices.rank == rank && shape.indices.allSatisfy { $0 == axis || indices.shape[$0] <= shape[$0] },
            "\(operation): indices \(indices.shape) do not fit shape \(shape) along axis \(axis)")
    }

    /// The first elements along every axis but `axis`.
    private func cropped(to sizes: [Int], except axis: Int) -> Tensor {
        shape.indices.reduce(self) { tensor, other in
            other == axis || sizes[other] == shape[other] ? tensor : tensor.slice(0..<sizes[other], along: other)
        }
    }
}

struct GatherElements: Operation {
    let axis: Int

    func forward(_ inputs: [Tensor]) -> Tensor {
        switch inputs[0].elementType.byteCount {
        case 1: picked(inputs, as: UInt8.self)
        case 2: picked(inputs, as: UInt16.self)
        case 4: picked(inputs, as: UInt32.self)
        default: picked(inputs, as: UInt64.self)
        }
    }

    private func picked<Word: BitwiseCopyable>(_ inputs: [Tensor], as word: Word.Type) -> Tensor {
        let output = Tensor(uninitialized: inputs[1].shape, inputs[0].elementType)
        let source = inputs[0].contiguous()
        withExtendedLifetime((source.storage, output.storage)) {
            let from = UnsafeBufferPointer(
                start: source.rawPointer.assumingMemoryBound(to: Word.self), count: source.elementCount)
            let to = UnsafeMutableBufferPointer(
                start: output.rawPointer.assumingMemoryBound(to: Word.self), count: output.elementCount)
            forEachIndex(inputs[1], axis, of: source.shape) { place, position in to[position] = from[place] }
        }
        return output
    }

    /// Elements picked several times collect several gradients.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let nothing = Tensor.zeros(saved.inputShapes[0], gradient.elementType)
        return [ScatterAdd(axis: axis).forward([nothing, gradient, saved.input(1)]), nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([1]) }
}

struct ScatterAdd: Operation {
    let axis: Int

    func forward(_ inputs: [Tensor]) -> Tensor {
        inputs[0].cast(to: .float32).withScalars { values in
            inputs[1].cast(to: .float32).withScalars { source in
                Tensor(unsafeUninitialized: inputs[0].shape, of: Float.self) { target in
                    _ = target.update(fromContentsOf: values)
                    forEachIndex(inputs[2], axis, of: inputs[0].shape) { place, position in
                        target[place] += source[position]
                    }
                }
            }
        }.cast(to: inputs[0].elementType)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [gradient, saved.wanted[1] ? GatherElements(axis: axis).forward([gradient, saved.input(2)]) : nil, nil]
    }

    func keeps(_ wanted: [Bool]) -> Kept { wanted[1] ? .some([2]) : .nothing }
}

/// Calls `body` for each index: the place it names in a tensor of `shape`, which differs from the indices' own along
/// `axis` alone, and where the index itself stands, both row by row.
@inline(__always)
private func forEachIndex(
    _ indices: Tensor, _ axis: Int, of shape: [Int], _ body: (_ place: Int, _ position: Int) -> Void
) {
    let (count, inner) = (shape[axis], shape[(axis + 1)...].reduce(1, *))
    let picked = indices.shape[axis]
    indices.cast(to: .int64).withScalars(as: Int64.self) { indices in
        for position in indices.indices {
            let index = indices[position]
            require((0..<Int64(count)).contains(index), "index \(index) is outside 0..<\(count)")
            let block = position / (picked * inner)
            body((block * count + Int(index)) * inner + position % inner, position)
        }
    }
}
