import Glibc

/// The numbers that whole numbers `q` stand for: `scale · (q - zeroPoint)`, with one scale or one for each channel.
public struct QuantizationGrid: Sendable, Hashable {
    /// One, or one for each index along `axis`; all positive.
    public let scales: [Float]
    /// The whole number that stands for 0, as many as scales.
    public let zeroPoints: [Int]
    /// The axis of the channels; `nil` if all elements share one scale.
    public let axis: Int?
    /// The whole numbers there are.
    public let range: ClosedRange<Int>

    public init(scale: Float, zeroPoint: Int = 0, range: ClosedRange<Int> = -128...127) {
        self.init(scales: [scale], zeroPoints: [zeroPoint], axis: nil, range: range)
    }

    public init(scales: [Float], zeroPoints: [Int]? = nil, axis: Int?, range: ClosedRange<Int> = -128...127) {
        let zeroPoints = zeroPoints ?? scales.map { _ in 0 }
        require(
            zeroPoints.count == scales.count && (axis != nil || scales.count == 1),
            "quantization grid: \(scales.count) scales and \(zeroPoints.count) zero points, axis \(axis.map(String.init) ?? "none")"
        )
        require(scales.allSatisfy { $0 > 0 && $0.isFinite }, "quantization grid: scales \(scales) are not all positive")
        require(
            zeroPoints.allSatisfy(range.contains), "quantization grid: zero points \(zeroPoints) are not all in \(range)")
        require(
            range.lowerBound >= -1 << 24 && range.upperBound <= 1 << 24,
            "quantization grid: \(range) has more numbers than float32 tells apart")
        self.scales = scales
        self.zeroPoints = zeroPoints
        self.axis = axis
        self.range = range
    }

    /// The finest grid around 0 that reaches all of `values`, of `bits` bits: `-(2ᵇ⁻¹ - 1)...2ᵇ⁻¹ - 1`.
    public static func symmetric(for values: Tensor, bits: Int = 8, axis: Int? = nil) -> QuantizationGrid {
        let limit = 1 << (checked(bits) - 1) - 1
        let scales = extremes(of: values, axis).map { Swift.max(-$0.least, $0.greatest) / Float(limit) }
        return QuantizationGrid(scales: scales.map(usable), axis: axis, range: -limit...limit)
    }

    /// The finest grid that reaches 0 and all of `values`, of `bits` bits: `0...2ᵇ - 1`.
    public static func affine(for values: Tensor, bits: Int = 8, axis: Int? = nil) -> QuantizationGrid {
        let limit = 1 << checked(bits) - 1
        let extremes = extremes(of: values, axis)
        let scales = extremes.map { usable(($0.greatest - $0.least) / Float(limit)) }
        let zeroPoints = zip(extremes, scales).map { Int((-$0.least / $1).rounded(.toNearestOrEven)) }
        return QuantizationGrid(
            scales: scales, zeroPoints: zeroPoints.map { Swift.min($0, limit) }, axis: axis, range: 0...limit)
    }

    private static func checked(_ bits: Int) -> Int {
        require((2...16).contains(bits), "quantization grid: \(bits) bits are outside 2...16")
        return bits
    }

    /// A grid of zeros alone may have any scale.
    private static func usable(_ scale: Float) -> Float { scale > 0 ? scale : 1 }

    /// The least and the greatest element, and 0, of all values or of each channel.
    private static func extremes(of values: Tensor, _ axis: Int?) -> [(least: Float, greatest: Float)] {
        let values = values.detached.cast(to: .float32)
        require(values.elementCount > 0, "quantization grid: shape \(values.shape) has no values to reach")
        let axis = axis.map(values.normalized)
        let others = (0..<values.rank).filter { $0 != axis }
        let (least, greatest) = (values.min(along: others).scalars(), values.max(along: others).scalars())
        return zip(least, greatest).map { (Swift.min($0, 0), Swift.max($1, 0)) }
    }

    /// The element type that holds the whole numbers.
    var elementType: ElementType {
        if range.lowerBound >= -128 && range.upperBound <= 127 { return .int8 }
        return range.lowerBound >= 0 && range.upperBound <= 255 ? .uint8 : .int32
    }
}

extension Tensor {
    /// Each element's nearest number on `grid`, halves to even: `int8`, `uint8` or `int32`, as the grid's range needs.
    public func quantized(on grid: QuantizationGrid) -> Tensor {
        requireFloatingPoint("quantize")
        let steps = FakeQuantization(grid: grid).steps(plain.cast(to: .float32)).values
        return steps.cast(to: grid.elementType)
    }

    /// The numbers that whole numbers stand for on `grid`: `float32`.
    public func dequantized(from grid: QuantizationGrid) -> Tensor {
        require(!elementType.isFloatingPoint, "dequantize: the tensor holds \(elementType), expected whole numbers")
        let (scales, zeroPoints) = FakeQuantization(grid: grid).factors(for: shape)
        return (cast(to: .float32) - zeroPoints) * scales
    }

    /// Each element moved to its nearest number on `grid`.
    ///
    /// The gradient passes unchanged where the element lay within the grid's range, and not where it was clipped.
    /// - Source: Jacob et al. 2018 (arXiv:1712.05877), section 3; the gradient as PyTorch's `fake_quantize`.
    public func fakeQuantized(on grid: QuantizationGrid) -> Tensor {
        requireFloatingPoint("fake quantize")
        return .applying(FakeQuantization(grid: grid), to: self)
    }
}

struct FakeQuantization: Operation {
    let grid: QuantizationGrid

    /// Scales and zero points, shaped to broadcast to `shape`.
    func factors(for shape: [Int]) -> (scales: Tensor, zeroPoints: Tensor) {
        var target = [Int](repeating: 1, count: shape.count)
        if let axis = grid.axis {
            let place = axis < 0 ? axis + shape.count : axis
            require(
                shape.indices.contains(place) && shape[place] == grid.scales.count,
                "quantization grid: \(grid.scales.count) channels do not fit axis \(axis) of shape \(shape)")
            target[place] = grid.scales.count
        }
        return (Tensor(grid.scales, shape: target), Tensor(grid.zeroPoints.map { Float($0) }, shape: target))
    }

    /// The whole number of each element of a `float32` tensor, as `float32`, and whether it lay within the range.
    func steps(_ input: Tensor) -> (values: Tensor, isWithin: Tensor) {
        let (scales, zeroPoints) = factors(for: input.shape)
        let inverse = Tensor(grid.scales.map { 1 / $0 }, shape: scales.shape)
        let (lower, upper) = (Float(grid.range.lowerBound), Float(grid.range.upperBound))
        let scaled = combine(input, inverse) { ($0 * $1).rounded(.toNearestOrEven) }
        let steps = combine(scaled, zeroPoints) { $0 + $1 }
        let values = combine(steps, Tensor(upper)) { value, upper in
            value.isNaN ? value : Swift.min(Swift.max(value, lower), upper)
        }
        return (values, Comparison.equal.forward([values, steps]))
    }

    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let (values, isWithin) = steps(inputs[0].cast(to: .float32))
        let (scales, zeroPoints) = factors(for: inputs[0].shape)
        return (((values - zeroPoints) * scales).cast(to: inputs[0].elementType), [isWithin])
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [gradient * saved.auxiliaries[0].cast(to: gradient.elementType)]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}
