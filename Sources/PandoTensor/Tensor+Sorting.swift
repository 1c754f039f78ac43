// Orders along an axis: sorted values, the largest few, medians and quantiles.

extension Tensor {
    /// The positions along `axis` that put the elements in order, equals in the order they stand in: `int64`.
    ///
    /// What is not a number counts as larger than everything.
    public func argsort(along axis: Int = -1, descending: Bool = false) -> Tensor {
        detached.withLast(axis) { rows in
            rows.elementType.isFloatingPoint || rows.elementType.byteCount < 4
                ? rows.order(of: Float.self, sortedIndices(descending))
                : rows.order(of: Int64.self, sortedWholeIndices(descending))
        }
    }

    /// The elements in order along `axis`, equals in the order they stood in, and where they stood: `int64`.
    ///
    /// What is not a number counts as larger than everything.
    public func sorted(along axis: Int = -1, descending: Bool = false) -> (values: Tensor, indices: Tensor) {
        let indices = argsort(along: axis, descending: descending)
        return (elements(at: indices, along: axis), indices)
    }

    /// The `count` largest (or smallest) elements along `axis`, best first, and where they stand: `int64`. Of equals
    /// the first come first.
    /// - Cost: all elements are sorted.
    public func topK(_ count: Int, along axis: Int = -1, largest: Bool = true) -> (values: Tensor, indices: Tensor) {
        let axis = normalized(axis)
        require(
            (0...shape[axis]).contains(count),
            "topK: \(count) elements asked of \(shape[axis]) along axis \(axis) of shape \(shape)")
        let indices = argsort(along: axis, descending: largest).slice(0..<count, along: axis)
        return (elements(at: indices, along: axis), indices)
    }

    /// The middle element along `axis`, the lower one of two; what is not a number makes its row so.
    public func median(along axis: Int, keepingAxes: Bool = false) -> Tensor {
        let count = shape[normalized(axis)]
        return ranked(along: axis, keepingAxes, "median") { $0.slice((count - 1) / 2..<(count + 1) / 2, along: axis) }
    }

    /// The value below which a `fraction` of the elements along `axis` lies, between two neighbours in proportion;
    /// what is not a number makes its row so.
    /// - Precondition: `0 <= fraction <= 1`.
    public func quantile(_ fraction: Float, along axis: Int, keepingAxes: Bool = false) -> Tensor {
        require((0...1).contains(fraction), "quantile: the fraction \(fraction) is outside 0...1")
        let place = Double(fraction) * Double(Swift.max(shape[normalized(axis)] - 1, 0))
        let (below, above) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
        return ranked(along: axis, keepingAxes, "quantile") { sorted in
            let start = sorted.slice(below..<below + 1, along: axis)
            if below == above { return start }
            let end = sorted.slice(above..<above + 1, along: axis)
            return start.lerp(to: end, weight: Float(place - Double(below)))
        }
    }

    /// What `pick` takes, with size 1 along `axis`, from the sorted elements.
    private func ranked(along axis: Int, _ keepingAxes: Bool, _ name: String, _ pick: (Tensor) -> Tensor) -> Tensor {
        requireFloatingPoint(name)
        let count = shape[normalized(axis)]
        require(count > 0, "\(name): shape \(shape) has no elements along axis \(axis)")
        let sorted = sorted(along: axis).values
        // Those that are no numbers stand last.
        let last = sorted.slice(count - 1..<count, along: axis)
        let result = pick(sorted).selected(where: .!last.nanMask(), otherwise: last)
        return keepingAxes ? result : result.dropping([axis])
    }

    /// Positions for each row of the last axis, read as `Scalar`.
    private func order<Scalar: TensorScalar>(
        of type: Scalar.Type, _ sort: (UnsafeBufferPointer<Scalar>, UnsafeMutableBufferPointer<Int64>) -> Void
    ) -> Tensor {
        let width = shape[rank - 1]
        return cast(to: Scalar.elementType).withScalars(as: Scalar.self) { values in
            Tensor(unsafeUninitialized: shape, of: Int64.self) { positions in
                guard width > 0 else { return }
                for start in stride(from: 0, to: positions.count, by: width) {
                    sort(
                        UnsafeBufferPointer(rebasing: values[start..<start + width]),
                        UnsafeMutableBufferPointer(rebasing: positions[start..<start + width]))
                }
            }
        }
    }
}

/// Sorts by one whole number per element: its value, in order-preserving bits, above its position.
private func sortedIndices(_ descending: Bool) -> (UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<Int64>) ->
    Void
{
    { values, positions in
        require(values.count <= UInt32.max, "sort: \(values.count) elements are too many")
        var keys = values.indices.map { index in
            let value = values[index] == 0 ? 0 : values[index]  // no -0
            let bits = value.isNaN ? UInt32.max : value.bitPattern
            let ordered = value.isNaN ? bits : bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
            return UInt64(descending ? ~ordered : ordered) << 32 | UInt64(index)
        }
        keys.sort()
        for (place, key) in keys.enumerated() { positions[place] = Int64(key & 0xFFFF_FFFF) }
    }
}

/// Sorts whole numbers, which 32 bits may not hold.
private func sortedWholeIndices(_ descending: Bool)
    -> (UnsafeBufferPointer<Int64>, UnsafeMutableBufferPointer<Int64>) -> Void
{
    { values, positions in
        let order = values.indices.sorted { left, right in
            values[left] == values[right] ? left < right : (values[left] < values[right]) != descending
        }
        for (place, index) in order.enumerated() { positions[place] = Int64(index) }
    }
}
