// Operations on rows — all elements along one axis, or over several — as loops over the last axis.

extension Tensor {
    /// `operation`, which takes `[…, W]` to `[…]`, over `axes`; they stay with size 1 if `keepingAxes`.
    func reducedRows(along axes: [Int], keepingAxes: Bool, _ operation: some Operation) -> Tensor {
        let reduced = Set(axes.map(normalized)).sorted()
        let others = shape.indices.filter { !reduced.contains($0) }
        let outer = others.map { shape[$0] }
        let width = reduced.reduce(1) { $0 * shape[$1] }
        let result = Tensor.applying(operation, to: permuted(others + reduced).reshaped(outer + [width]))
        guard keepingAxes else { return result }
        return result.reshaped(shape.indices.map { reduced.contains($0) ? 1 : shape[$0] })
    }

    /// `operation` with `axis` in the last place, and back.
    func withLast(_ axis: Int, _ operation: (Tensor) -> Tensor) -> Tensor {
        let axis = normalized(axis)
        if axis == rank - 1 { return operation(self) }
        return operation(swapping(axis, rank - 1)).swapping(axis, rank - 1)
    }

    /// One number for each row of the last axis, in this tensor's element type.
    @inline(__always)
    func mapRows(_ function: (UnsafeBufferPointer<Float>) -> Float) -> Tensor {
        let (width, outer) = (shape[rank - 1], Array(shape.dropLast()))
        return cast(to: .float32).withScalars { values in
            Tensor(unsafeUninitialized: outer, of: Float.self) { results in
                for row in results.indices {
                    results[row] = function(UnsafeBufferPointer(rebasing: values[row * width..<(row + 1) * width]))
                }
            }
        }.cast(to: elementType)
    }

    /// A row of as many elements for each row of the last axis.
    @inline(__always)
    func transformRows<Output: TensorScalar>(
        _ function: (UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<Output>) -> Void
    ) -> Tensor {
        let width = shape[rank - 1]
        return cast(to: .float32).withScalars { values in
            Tensor(unsafeUninitialized: shape, of: Output.self) { results in
                guard width > 0 else { return }
                for start in stride(from: 0, to: results.count, by: width) {
                    function(
                        UnsafeBufferPointer(rebasing: values[start..<start + width]),
                        UnsafeMutableBufferPointer(rebasing: results[start..<start + width]))
                }
            }
        }
    }

    /// The product over `axes` (all of them if `nil`), which stay with size 1 if `keepingAxes`.
    public func product(along axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
        requireFloatingPoint("product")
        return reducedRows(along: axes ?? Array(0..<rank), keepingAxes: keepingAxes, Product())
    }

    /// Whether any element over `axes` (all of them if `nil`) holds, or is not 0: a `bool` tensor.
    public func any(along axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
        reducedRows(along: axes ?? Array(0..<rank), keepingAxes: keepingAxes, Quantifier.any)
    }

    /// Whether every element over `axes` (all of them if `nil`) holds, or is not 0: a `bool` tensor.
    public func all(along axes: [Int]? = nil, keepingAxes: Bool = false) -> Tensor {
        reducedRows(along: axes ?? Array(0..<rank), keepingAxes: keepingAxes, Quantifier.all)
    }

    /// The position of the largest element along `axis`, the first of equals: `int64`. What is not a number counts
    /// as the largest.
    public func argmax(along axis: Int = -1, keepingAxes: Bool = false) -> Tensor {
        positions("argmax", along: axis, keepingAxes) { $0 > $1 }
    }

    /// The position of the smallest element along `axis`, the first of equals: `int64`. What is not a number counts
    /// as the smallest.
    public func argmin(along axis: Int = -1, keepingAxes: Bool = false) -> Tensor {
        positions("argmin", along: axis, keepingAxes) { $0 < $1 }
    }

    /// 1 where the largest element of each row stands, the first of equals, else 0; also in programs.
    ///
    /// - Shapes: `[…, W]` of any type → `float32` `[…, W]`.
    public func firstLargest() -> Tensor {
        require(rank > 0 && shape[rank - 1] > 0, "first largest: shape \(shape) has rows without elements")
        return .applying(FirstLargest(), to: self)
    }

    @inline(__always)
    private func positions(
        _ name: String, along axis: Int, _ keepingAxes: Bool, _ isBetter: (Float, Float) -> Bool
    ) -> Tensor {
        let axis = normalized(axis)
        let width = shape[axis]
        require(width > 0, "\(name): shape \(shape) has no elements along axis \(axis)")
        let others = shape.indices.filter { $0 != axis }
        let outer = others.map { shape[$0] }
        let found = permuted(others + [axis]).cast(to: .float32).withScalars { values in
            Tensor(unsafeUninitialized: outer, of: Int64.self) { results in
                for row in results.indices {
                    var best = 0
                    for column in 1..<Swift.max(width, 1) {
                        let (value, leader) = (values[row * width + column], values[row * width + best])
                        if isBetter(value, leader) || (value.isNaN && !leader.isNaN) { best = column }
                    }
                    results[row] = Int64(best)
                }
            }
        }
        return keepingAxes ? found.expanded(at: axis) : found
    }
}

/// A one where the first largest element of each row stands, `[…, W]` → `[…, W]`.
struct FirstLargest: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor {
        let width = inputs[0].shape[inputs[0].rank - 1]
        return inputs[0].argmax().oneHot(classes: width)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [nil] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

/// The product of each row, `[…, W]` → `[…]`.
struct Product: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor {
        inputs[0].mapRows { row in Float(row.reduce(1) { $0 * Double($1) }) }
    }

    /// For each element the product of all others: of those before it and those after it, since it may be zero.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let others = saved.input(0).transformRows { (row, output: UnsafeMutableBufferPointer<Float>) in
            var before = [Double](repeating: 1, count: row.count)
            for index in row.indices.dropFirst() { before[index] = before[index - 1] * Double(row[index - 1]) }
            var after = 1.0
            for index in row.indices.reversed() {
                output[index] = Float(before[index] * after)
                after *= Double(row[index])
            }
        }
        return [(gradient.expanded(at: -1) * others).cast(to: gradient.elementType)]
    }
}

/// Whether any or all of each row holds, `[…, W]` → `[…]`.
enum Quantifier: Operation {
    case any, all

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0].cast(to: .bool)
        let width = input.shape[input.rank - 1]
        return input.withScalars(as: Bool.self) { values in
            Tensor(unsafeUninitialized: Array(input.shape.dropLast()), of: Bool.self) { results in
                for row in results.indices {
                    let elements = values[row * width..<(row + 1) * width]
                    results[row] = self == .any ? elements.contains(true) : !elements.contains(false)
                }
            }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [nil] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}
