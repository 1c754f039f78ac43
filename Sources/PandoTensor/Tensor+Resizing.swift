// Maps brought to other sizes.

/// What stands between the pixels of a map.
public enum Interpolation: Hashable, Sendable {
    /// The pixel at `⌊i · in / out⌋`, as PyTorch's "nearest".
    case nearest
    /// The pixel whose centre is nearest, as PyTorch's "nearest-exact".
    case nearestExact
    /// Straight lines between neighbours: linear, bilinear or trilinear, by the number of axes.
    case linear
    /// Cubic convolution of four neighbours along each axis (bicubic in two), with `a` = -0.75, or -0.5 when
    /// antialiased.
    ///
    /// - Source: Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", equation 15.
    case cubic
}

extension Tensor {
    /// The map with other spatial sizes.
    ///
    /// Pixel `i` of the result lies at `(i + ½) · in / out - ½` in the map, or at `i · (in - 1) / (out - 1)` when
    /// corners are aligned; at the border the outermost pixels go on. Equals PyTorch's `interpolate`.
    /// - Shapes: `[N, …, C]` → `[N, size…, C]`, with one to three spatial axes.
    /// - Parameters:
    ///   - aligningCorners: whether the outermost pixels of both maps fall together; `linear` and `cubic` only.
    ///   - antialiased: whether a map made smaller is averaged over what each of its pixels covers; `linear` and
    ///     `cubic` without aligned corners.
    public func resized(
        to size: [Int], by interpolation: Interpolation = .linear, aligningCorners: Bool = false,
        antialiased: Bool = false
    ) -> Tensor {
        require((3...5).contains(rank), "resize: shape \(shape) is no map [N, …, C] of one to three spatial axes")
        requireFloatingPoint("resize")
        require(
            size.count == rank - 2 && size.allSatisfy { $0 > 0 } && !shape[1..<rank - 1].contains(0),
            "resize: \(shape) to \(size), expected at least one pixel along each of \(rank - 2) axes")
        let isSmooth = interpolation == .linear || interpolation == .cubic
        require(
            isSmooth || !(aligningCorners || antialiased),
            "resize: \(interpolation) neither aligns corners nor averages")
        require(!(aligningCorners && antialiased), "resize: antialiasing goes without aligned corners")
        var result = cast(to: .float32)
        for axis in 1...size.count {
            // Pixels that fall on pixels.
            if shape[axis] == size[axis - 1] { continue }
            let taps =
                antialiased
                ? Taps(averaging: shape[axis], into: size[axis - 1], by: interpolation)
                : Taps(from: shape[axis], to: size[axis - 1], by: interpolation, aligningCorners)
            result = .applying(Resample(axis: axis, taps: taps), to: result)
        }
        return result.cast(to: elementType)
    }

    /// The map `[N, H, W, C]` with another height and width; see `resized(to:by:aligningCorners:antialiased:)`.
    public func resized(
        height: Int, width: Int, by interpolation: Interpolation = .linear, aligningCorners: Bool = false,
        antialiased: Bool = false
    ) -> Tensor {
        resized(
            to: [height, width], by: interpolation, aligningCorners: aligningCorners, antialiased: antialiased)
    }
}

/// Which pixels of a line make each pixel of another, and with which weights.
struct Taps: Hashable, Sendable {
    let inputSize: Int
    /// Output `i` is made of entries `starts[i]..<starts[i + 1]`.
    private(set) var starts = [0]
    private(set) var pixels: [Int] = []
    private(set) var weights: [Float] = []

    var outputSize: Int { starts.count - 1 }

    init(from inputSize: Int, to outputSize: Int, by interpolation: Interpolation, _ aligningCorners: Bool) {
        self.inputSize = inputSize
        let scale =
            aligningCorners
            ? (outputSize > 1 ? Double(inputSize - 1) / Double(outputSize - 1) : 0)
            : Double(inputSize) / Double(outputSize)
        // In `float32`, as PyTorch computes it: what falls between two pixels falls to the same side.
        let nearestScale = Float(inputSize) / Float(outputSize)
        for output in 0..<outputSize {
            let position = aligningCorners ? scale * Double(output) : scale * (Double(output) + 0.5) - 0.5
            switch interpolation {
            case .nearest:
                add([(Int(Float(output) * nearestScale), 1)])
            case .nearestExact:
                add([(Int((Float(output) + 0.5) * nearestScale), 1)])
            case .linear:
                let position = max(position, 0)
                let first = Int(position)
                add([(first, 1 - (position - Double(first))), (first + 1, position - Double(first))])
            case .cubic:
                let first = Int(position.rounded(.down))
                add((-1...2).map { (first + $0, cubicWeight(position - Double(first + $0), -0.75)) })
            }
        }
    }

    /// Weights that spread over all pixels that a smaller line's pixel covers, and sum to one.
    init(averaging inputSize: Int, into outputSize: Int, by interpolation: Interpolation) {
        self.inputSize = inputSize
        let scale = Double(inputSize) / Double(outputSize)
        let spread = max(scale, 1)
        let support = (interpolation == .cubic ? 2 : 1) * spread
        for output in 0..<outputSize {
            let center = scale * (Double(output) + 0.5)
            let covered = max(Int(center - support + 0.5), 0)..<min(Int(center + support + 0.5), inputSize)
            let weights = covered.map { pixel in
                let distance = (Double(pixel) + 0.5 - center) / spread
                return interpolation == .cubic ? cubicWeight(distance, -0.5) : max(1 - abs(distance), 0)
            }
            let sum = weights.reduce(0, +)
            add(zip(covered, weights).map { ($0, $1 / sum) })
        }
    }

    /// Adds an output; pixels outside count as the outermost.
    private mutating func add(_ taps: [(pixel: Int, weight: Double)]) {
        for tap in taps where tap.weight != 0 {
            pixels.append(min(max(tap.pixel, 0), inputSize - 1))
            weights.append(Float(tap.weight))
        }
        starts.append(pixels.count)
    }
}

/// Keys's kernel at `distance`.
private func cubicWeight(_ distance: Double, _ a: Double) -> Double {
    let x = abs(distance)
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
}

/// Weighted sums of neighbours along one axis: a product with a matrix that is nearly all zeros.
struct Resample: Operation {
    let axis: Int
    let taps: Taps

    func forward(_ inputs: [Tensor]) -> Tensor {
        let (outer, width) = extents(inputs[0].shape)
        var shape = inputs[0].shape
        shape[axis] = taps.outputSize
        return inputs[0].withScalars { source in
            Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                target.initialize(repeating: 0)
                forEachTap(outer) { from, to, weight in
                    addScaled(source, from * width, weight, target, to * width, width)
                }
            }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (outer, width) = extents(saved.inputShapes[0])
        return [
            gradient.withScalars { source in
                Tensor(unsafeUninitialized: saved.inputShapes[0], of: Float.self) { target in
                    target.initialize(repeating: 0)
                    forEachTap(outer) { from, to, weight in
                        addScaled(source, to * width, weight, target, from * width, width)
                    }
                }
            }
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }

    private func extents(_ shape: [Int]) -> (outer: Int, width: Int) {
        (shape[..<axis].reduce(1, *), shape[(axis + 1)...].reduce(1, *))
    }

    /// Calls `body` with each row of the input, the row of the output that it is a part of, and its weight.
    @inline(__always)
    private func forEachTap(_ outer: Int, _ body: (_ from: Int, _ to: Int, _ weight: Float) -> Void) {
        for block in 0..<outer {
            for output in 0..<taps.outputSize {
                for tap in taps.starts[output]..<taps.starts[output + 1] {
                    body(
                        block * taps.inputSize + taps.pixels[tap], block * taps.outputSize + output,
                        taps.weights[tap])
                }
            }
        }
    }
}

/// Adds `weight` times `count` numbers of `source` from `from` on to those of `target` from `to` on.
@inline(__always)
func addScaled(
    _ source: UnsafeBufferPointer<Float>, _ from: Int, _ weight: Float, _ target: UnsafeMutableBufferPointer<Float>,
    _ to: Int, _ count: Int
) {
    guard count > 0, let source = source.baseAddress, let target = target.baseAddress else { return }
    let (x, y) = (source + from, target + to)
    for index in 0..<count { y[index] += weight * x[index] }
}
