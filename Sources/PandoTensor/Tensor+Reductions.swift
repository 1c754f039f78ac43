// Sums, means, extremes and what is made of them.

import COneDNN

extension Tensor {
    /// The sum over `axes`, which stay with size 1 if `keepingAxes`.
    public func sum(along axes: [Int], keepingAxes: Bool = false) -> Tensor {
        reduced(.sum, along: axes, keepingAxes: keepingAxes)
    }

    /// The sum of all elements.
    public func sum() -> Tensor { sum(along: Array(0..<rank)) }

    /// The mean over `axes`, which stay with size 1 if `keepingAxes`.
    public func mean(along axes: [Int], keepingAxes: Bool = false) -> Tensor {
        reduced(.mean, along: axes, keepingAxes: keepingAxes)
    }

    /// The mean of all elements.
    public func mean() -> Tensor { mean(along: Array(0..<rank)) }

    /// The largest element along `axis`; equal ones share its gradient.
    public func max(along axis: Int, keepingAxes: Bool = false) -> Tensor {
        max(along: [axis], keepingAxes: keepingAxes)
    }

    /// The largest element over `axes`; equal ones share its gradient.
    public func max(along axes: [Int], keepingAxes: Bool = false) -> Tensor {
        reduced(.max, along: axes, keepingAxes: keepingAxes)
    }

    /// The smallest element along `axis`; equal ones share its gradient.
    public func min(along axis: Int, keepingAxes: Bool = false) -> Tensor {
        min(along: [axis], keepingAxes: keepingAxes)
    }

    /// The smallest element over `axes`; equal ones share its gradient.
    public func min(along axes: [Int], keepingAxes: Bool = false) -> Tensor {
        reduced(.min, along: axes, keepingAxes: keepingAxes)
    }

    /// The largest of all elements; equal ones share its gradient.
    public func max() -> Tensor { max(along: Array(0..<rank)) }

    /// The smallest of all elements; equal ones share its gradient.
    public func min() -> Tensor { min(along: Array(0..<rank)) }

    /// The squared distances from the mean, summed and divided by the count less `correction`.
    ///
    /// `correction` is 0 for the elements' own variance (NumPy's default) and 1 for the unbiased estimate of that of
    /// the distribution they come from (PyTorch's default).
    public func variance(along axes: [Int], correction: Int = 0, keepingAxes: Bool = false) -> Tensor {
        let squares = (self - mean(along: axes, keepingAxes: true)).squared()
        if correction == 0 { return squares.mean(along: axes, keepingAxes: keepingAxes) }
        let count = Set(axes.map(normalized)).reduce(1) { $0 * shape[$1] }
        return squares.sum(along: axes, keepingAxes: keepingAxes) / Float(Swift.max(count - correction, 0))
    }

    /// The root of `variance`; where that is zero, so is the gradient.
    public func standardDeviation(along axes: [Int], correction: Int = 0, keepingAxes: Bool = false) -> Tensor {
        let centred = self - mean(along: axes, keepingAxes: true)
        let count = Set(axes.map(normalized)).reduce(1) { $0 * shape[$1] }
        let length = centred.norm(along: axes, keepingAxes: keepingAxes)
        return length / Float(Swift.max(count - correction, 0)).squareRoot()
    }

    /// `log Σ exp(x)` along `axis`, safe for large values.
    public func logSumExp(along axis: Int, keepingAxes: Bool = false) -> Tensor {
        logSumExp(along: [axis], keepingAxes: keepingAxes)
    }

    /// `log Σ exp(x)` over `axes`, safe for large values and for infinities.
    public func logSumExp(along axes: [Int], keepingAxes: Bool = false) -> Tensor {
        let greatest = Float.greatestFiniteMagnitude
        let largest = detached.max(along: axes, keepingAxes: true).clamped(-greatest, greatest)
        let result = (self - largest).exp().sum(along: axes, keepingAxes: true).log() + largest
        return keepingAxes ? result : result.dropping(axes)
    }

    private func reduced(_ kind: PrimitiveRecipe.Reduction, along axes: [Int], keepingAxes: Bool) -> Tensor {
        requireFloatingPoint("\(kind)")
        let axes = Set(axes.map(normalized)).sorted()
        let reduction = Reduce(kind: kind, axes: axes)
        let result =
            axes.allSatisfy { shape[$0] == 1 } && elementType == .float32
            ? self : Tensor.applying(reduction, to: self)
        return keepingAxes ? result : result.dropping(axes)
    }

    /// The same elements without the axes `axes`, which have size 1.
    func dropping(_ axes: [Int]) -> Tensor {
        let dropped = Set(axes.map(normalized))
        return reshaped(shape.indices.filter { !dropped.contains($0) }.map { shape[$0] })
    }
}

/// A reduction that keeps reduced axes with size 1.
struct Reduce: Operation {
    let kind: PrimitiveRecipe.Reduction
    let axes: [Int]

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0].contiguous()
        var shape = input.shape
        let count = axes.reduce(1) { $0 * shape[$1] }
        for axis in axes { shape[axis] = 1 }
        if input.elementCount == 0 {
            require(kind == .sum || shape.elementCount == 0, "\(kind) of no elements: shape \(input.shape)")
            return .zeros(shape, input.elementType)
        }
        if count == 1 { return input.view(shape: shape, strides: shape.rowMajorStrides) }
        let (dimensions, reduced) = merged(input.shape)
        if reduced.count(where: \.self) > 1 { return inTurns(input) }
        if kind == .sum || kind == .mean, reduced == [true, false] || reduced == [false, true, false] {
            return columns(of: input.view(shape: dimensions, strides: dimensions.rowMajorStrides))
                .view(shape: shape, strides: shape.rowMajorStrides)
        }
        let output = Tensor(uninitialized: shape, input.elementType)
        let target = zip(dimensions, reduced).map { $1 ? 1 : $0 }
        withExtendedLifetime(input.storage) {
            PrimitiveCache.shared.primitive(
                .reduction(
                    kind, source: .rowMajor(dimensions, input.elementType),
                    destination: .rowMajor(target, input.elementType))
            ).run((DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DST, output.rawPointer))
        }
        return output
    }

    /// The reduction over axes with others in between, those that are neighbours at once and the last of them first:
    /// oneDNN reduces only such quickly. Sums in between are not rounded to fewer than 24 bits.
    private func inTurns(_ input: Tensor) -> Tensor {
        let parted = input.shape.indices.last { axis in
            input.shape[axis] != 1 && !axes.contains(axis) && axes.contains { $0 > axis && input.shape[$0] != 1 }
        }
        let last = axes.filter { $0 > parted ?? -1 }
        let inner = Reduce(kind: kind, axes: last).forward([input.cast(to: .float32)])
        return Reduce(kind: kind, axes: axes.filter { !last.contains($0) }).forward([inner]).cast(to: input.elementType)
    }

    /// Neighbouring axes of one kind are one axis to the kernel, axes of one element none.
    private func merged(_ shape: [Int]) -> (dimensions: [Int], reduced: [Bool]) {
        var dimensions: [Int] = []
        var reduced: [Bool] = []
        for axis in shape.indices where shape[axis] != 1 {
            if reduced.last == axes.contains(axis) {
                dimensions[dimensions.count - 1] *= shape[axis]
            } else {
                dimensions.append(shape[axis])
                reduced.append(axes.contains(axis))
            }
        }
        return (dimensions, reduced)
    }

    /// Sums or means over the last axis but one: products with a row of equal weights, which oneDNN multiplies ten to
    /// a hundred times faster than it reduces.
    ///
    /// - Shapes: `[R, K]` or `[B, R, K]` → as many elements as without `R`.
    private func columns(of input: Tensor) -> Tensor {
        let count = input.shape[input.rank - 2]
        if input.rank == 2, count <= 256 { return fewRows(of: input.cast(to: .float32)).cast(to: input.elementType) }
        let weights = Tensor.filled([1, count], with: kind == .mean ? 1 / Float(count) : 1)
        return MatrixProduct().forward([weights, input.cast(to: .float32)]).cast(to: input.elementType)
    }

    /// The same of a few rows `[R, K]`, added one to the other: sooner done than a product is begun.
    private func fewRows(of input: Tensor) -> Tensor {
        let (count, width) = (input.shape[0], input.shape[1])
        let scale = kind == .mean ? 1 / Float(count) : 1
        return input.withScalars { source in
            Tensor(unsafeUninitialized: [1, width], of: Float.self) { target in
                let (from, to) = (UnsafeRawBufferPointer(source), UnsafeMutableRawBufferPointer(target))
                var column = 0
                while column + 16 <= width {
                    var sum = SIMD16<Float>.zero
                    for row in 0..<count {
                        sum += from.loadUnaligned(fromByteOffset: 4 * (row * width + column), as: SIMD16<Float>.self)
                    }
                    to.storeBytes(of: sum * scale, toByteOffset: 4 * column, as: SIMD16<Float>.self)
                    column += 16
                }
                for column in column..<width {
                    var sum: Float = 0
                    for row in 0..<count { sum += source[row * width + column] }
                    target[column] = sum * scale
                }
            }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let count = axes.reduce(1) { $0 * shape[$1] }
        switch kind {
        case .sum: return [gradient.broadcast(to: shape)]
        case .mean: return [(gradient / Float(Swift.max(count, 1))).broadcast(to: shape)]
        case .max, .min:
            let winners = (saved.input(0) .== saved.result).cast(to: .float32)
            return [gradient * winners / winners.sum(along: axes, keepingAxes: true)]
        }
    }

    func keeps(_ wanted: [Bool]) -> Kept {
        switch kind {
        case .sum, .mean: .nothing
        case .max, .min: .outputAnd([0])
        }
    }
}
