// Maps read at given places: grid sampling and the grids of affine maps.

import Glibc

/// What a map is taken to hold outside.
public enum SamplingOutside: Hashable, Sendable {
    case zeros
    /// The outermost pixels go on.
    case border
    /// The map mirrored at its border: at the outermost pixels' centres if corners are aligned, else at their edges.
    case reflection
}

extension Tensor {
    /// The map's values at the places in `grid`, where the map reaches from -1 to 1: from centre to centre of the
    /// outermost pixels if corners are aligned, else from edge to edge. Equals PyTorch's `grid_sample`.
    ///
    /// `nearest` rounds halves to even and gives the grid no gradient.
    /// - Shapes: `[N, H, W, C]` and grid `[N, H', W', 2]` of places (x, y), `float32` → `[N, H', W', C]`.
    /// - Source: Jaderberg et al. 2015, Spatial Transformer Networks (arXiv:1506.02025), equations 5 to 7.
    public func sampled(
        at grid: Tensor, by interpolation: Interpolation = .linear, outside: SamplingOutside = .zeros,
        aligningCorners: Bool = false
    ) -> Tensor {
        require(
            rank == 4 && grid.rank == 4 && grid.shape[3] == 2 && grid.shape[0] == shape[0],
            "grid sample: map \(shape) and grid \(grid.shape), expected [N, H, W, C] and [N, H', W', 2]")
        require(shape[1] > 0 && shape[2] > 0, "grid sample: a map of shape \(shape) has no pixels")
        require(
            interpolation == .linear || interpolation == .nearest,
            "grid sample: \(interpolation), expected linear or nearest")
        requireFloatingPoint("grid sample")
        grid.requireFloatingPoint("grid sample")
        let sample = GridSample(isNearest: interpolation == .nearest, outside: outside, aligned: aligningCorners)
        return Tensor.applying(sample, to: cast(to: .float32), grid.cast(to: .float32)).cast(to: elementType)
    }
}

/// The places `theta · (x, y, 1)` of a map's pixels, for `sampled(at:by:outside:aligningCorners:)`.
///
/// - Shapes: `theta` `[N, 2, 3]` → `[N, height, width, 2]`.
/// - Source: Jaderberg et al. 2015, Spatial Transformer Networks (arXiv:1506.02025), equation 1.
public func affineGrid(_ theta: Tensor, height: Int, width: Int, aligningCorners: Bool = false) -> Tensor {
    require(
        theta.rank == 3 && theta.shape[1...] == [2, 3], "affine grid: theta has shape \(theta.shape), expected [N, 2, 3]")
    require(height > 0 && width > 0, "affine grid: \(height) × \(width) pixels, expected at least one")
    func places(_ count: Int) -> [Float] {
        (0..<count).map { index in
            if aligningCorners { return count > 1 ? Float(2 * index) / Float(count - 1) - 1 : 0 }
            return Float(2 * index + 1) / Float(count) - 1
        }
    }
    let (x, y) = (places(width), places(height))
    let base = Tensor(y.flatMap { y in x.flatMap { [$0, y, 1] } }, shape: [height * width, 3])
    return matmul(base.cast(to: theta.elementType), theta.transposed).reshaped(-1, height, width, 2)
}

/// Inputs: map `[N, H, W, C]` and grid `[N, H', W', 2]`, both `float32`.
struct GridSample: Operation {
    let isNearest: Bool
    let outside: SamplingOutside
    let aligned: Bool

    func forward(_ inputs: [Tensor]) -> Tensor {
        let (shape, grid) = (inputs[0].shape, inputs[1])
        let output = Array(grid.shape.dropLast()) + [shape[3]]
        return inputs[0].withScalars { map in
            Tensor(unsafeUninitialized: output, of: Float.self) { target in
                target.initialize(repeating: 0)
                forEachCorner(grid, shape) { place, corner, weight, _, _ in
                    addScaled(map, corner * shape[3], weight, target, place * shape[3], shape[3])
                }
            }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (shape, grid) = (saved.inputShapes[0], saved.input(1))
        let channels = shape[3]
        return gradient.withScalars { gradient in
            let towardsMap =
                saved.wanted[0]
                ? Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                    target.initialize(repeating: 0)
                    forEachCorner(grid, shape) { place, corner, weight, _, _ in
                        addScaled(gradient, place * channels, weight, target, corner * channels, channels)
                    }
                } : nil
            guard saved.wanted[1] else { return [towardsMap, nil] }
            if isNearest { return [towardsMap, .zeros(grid.shape)] }
            let towardsGrid = saved.input(0).withScalars { map in
                Tensor(unsafeUninitialized: grid.shape, of: Float.self) { target in
                    target.initialize(repeating: 0)
                    forEachCorner(grid, shape) { place, corner, _, slopeX, slopeY in
                        var product: Float = 0
                        for channel in 0..<channels {
                            product += gradient[place * channels + channel] * map[corner * channels + channel]
                        }
                        target[2 * place] += slopeX * product
                        target[2 * place + 1] += slopeY * product
                    }
                }
            }
            return [towardsMap, towardsGrid]
        }
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some(wanted[1] && !isNearest ? [0, 1] : [1]) }

    /// Calls `body` for each pixel of the map that counts at each place: the place's and the pixel's position in
    /// their tensors, the weight, and the weight's slope along the grid's x and y.
    @inline(__always)
    private func forEachCorner(
        _ grid: Tensor, _ shape: [Int],
        _ body: (_ place: Int, _ corner: Int, _ weight: Float, _ slopeX: Float, _ slopeY: Float) -> Void
    ) {
        let (height, width) = (shape[1], shape[2])
        let placesOfSample = grid.shape[1] * grid.shape[2]
        let neighbours = isNearest ? 1 : 2
        grid.withScalars { grid in
            for place in 0..<grid.count / 2 {
                let firstRow = place / placesOfSample * height
                let x = position(grid[2 * place], width)
                let y = position(grid[2 * place + 1], height)
                for down in 0..<neighbours {
                    let (row, weightY, signY) = neighbour(down, of: y.pixel)
                    guard (0..<height).contains(row) else { continue }
                    for right in 0..<neighbours {
                        let (column, weightX, signX) = neighbour(right, of: x.pixel)
                        guard (0..<width).contains(column) else { continue }
                        body(
                            place, (firstRow + row) * width + column, Float(weightX * weightY),
                            Float(signX * x.slope * weightY), Float(signY * y.slope * weightX))
                    }
                }
            }
        }
    }

    /// The pixel before a position or (1) the one after it, its weight and the weight's slope; the nearest counts
    /// alone.
    @inline(__always)
    private func neighbour(_ index: Int, of pixel: Double) -> (pixel: Int, weight: Double, slope: Double) {
        if isNearest { return (Int(pixel.rounded(.toNearestOrEven)), 1, 0) }
        let first = pixel.rounded(.down)
        return index == 0 ? (Int(first), first + 1 - pixel, -1) : (Int(first) + 1, pixel - first, 1)
    }

    /// Where a coordinate in -1...1 falls among `size` pixels, and the slope of that.
    private func position(_ coordinate: Float, _ size: Int) -> (pixel: Double, slope: Double) {
        let slope = Double(aligned ? size - 1 : size) / 2
        let pixel = (Double(coordinate) + 1) * slope - (aligned ? 0 : 0.5)
        let farthest = Double(size - 1)
        switch outside {
        case .zeros:
            // Too far, or not a number: no pixel is near.
            return abs(pixel) < 1e9 ? (pixel, slope) : (-9, 0)
        case .border: return clipped(pixel, slope, farthest)
        case .reflection:
            let (low, span) = aligned ? (0, farthest) : (-0.5, Double(size))
            if span == 0 { return (0, 0) }
            let distance = abs(pixel - low)
            let sign: Double = pixel < low ? -1 : 1
            let rest = fmod(distance, span)
            let isMirrored = fmod(((distance - rest) / span).rounded(), 2) != 0
            return isMirrored
                ? clipped(span - rest + low, -sign * slope, farthest) : clipped(rest + low, sign * slope, farthest)
        }
    }

    private func clipped(_ pixel: Double, _ slope: Double, _ farthest: Double) -> (pixel: Double, slope: Double) {
        if !(pixel > 0) { return (0, 0) }
        return pixel >= farthest ? (farthest, 0) : (pixel, slope)
    }
}
