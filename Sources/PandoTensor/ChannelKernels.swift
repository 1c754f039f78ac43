// Sums over all places of a map for each channel, and what batch norm makes of them.

/// A contiguous map as rows of channels, read as `float32` whatever it holds.
///
/// - Precondition: `float32` or `bfloat16`, contiguous; it outlives the value.
struct ChannelRows {
    private let floats: UnsafePointer<Float>?
    private let halves: UnsafePointer<UInt16>?
    let rows: Int
    let channels: Int

    /// - Shapes: `[…, C]`.
    init(_ map: Tensor) {
        require(map.isContiguous, "channel rows: the map has gaps")
        channels = map.shape[map.rank - 1]
        rows = map.elementCount / max(channels, 1)
        switch map.elementType {
        case .float32: (floats, halves) = (UnsafePointer(map.rawPointer.assumingMemoryBound(to: Float.self)), nil)
        case .bfloat16: (floats, halves) = (nil, UnsafePointer(map.rawPointer.assumingMemoryBound(to: UInt16.self)))
        default: stop("channel rows: \(map.elementType) is not float32 or bfloat16")
        }
    }

    /// Sixteen channels of a row from element `start`, which is at most `rows · channels - 16`.
    @inline(__always)
    func sixteen(at start: Int) -> SIMD16<Float> {
        if let floats { return UnsafeRawPointer(floats + start).loadUnaligned(as: SIMD16<Float>.self) }
        let bits = UnsafeRawPointer(halves.unsafelyUnwrapped + start).loadUnaligned(as: SIMD16<UInt16>.self)
        return unsafeBitCast(SIMD16<UInt32>(truncatingIfNeeded: bits) &<< 16, to: SIMD16<Float>.self)
    }

    /// The element at `start`, which is below `rows · channels`.
    @inline(__always)
    func one(at start: Int) -> Float {
        if let floats { return floats[start] }
        return Float(bitPattern: UInt32(halves.unsafelyUnwrapped[start]) << 16)
    }
}

/// A contiguous map to be written, row by row, from `float32` values rounded to what it holds.
///
/// - Precondition: `float32` or `bfloat16`, contiguous; it outlives the value.
private struct ChannelTarget {
    private let floats: UnsafeMutablePointer<Float>?
    private let halves: UnsafeMutablePointer<UInt16>?

    init(_ map: Tensor) {
        switch map.elementType {
        case .float32: (floats, halves) = (map.rawPointer.assumingMemoryBound(to: Float.self), nil)
        case .bfloat16: (floats, halves) = (nil, map.rawPointer.assumingMemoryBound(to: UInt16.self))
        default: stop("channel rows: \(map.elementType) is not float32 or bfloat16")
        }
    }

    /// Writes the `count` elements from `start`: sixteen, or one.
    @inline(__always)
    func store(_ values: SIMD16<Float>, at start: Int, count: Int) {
        if let floats {
            if count == 16 {
                UnsafeMutableRawPointer(floats + start).storeBytes(of: values, as: SIMD16<Float>.self)
            } else {
                floats[start] = values[0]
            }
            return
        }
        let bits = unsafeBitCast(values, to: SIMD16<UInt32>.self)
        let rounded = SIMD16<UInt16>(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits &>> 16) & 1)) &>> 16)
        let halves = halves.unsafelyUnwrapped + start
        if count == 16 {
            UnsafeMutableRawPointer(halves).storeBytes(of: rounded, as: SIMD16<UInt16>.self)
        } else {
            halves[0] = rounded[0]
        }
    }
}

extension ChannelRows {
    /// Calls `body` with the first element of each sixteen neighbours within a row, then of each single one left over,
    /// and with its channel.
    @inline(__always)
    fileprivate func forEachStep(in rows: Range<Int>, _ body: (_ start: Int, _ channel: Int, _ count: Int) -> Void) {
        for row in rows {
            let start = row * channels
            var channel = 0
            while channel + 16 <= channels {
                body(start + channel, channel, 16)
                channel += 16
            }
            while channel < channels {
                body(start + channel, channel, 1)
                channel += 1
            }
        }
    }

    @inline(__always)
    fileprivate func load(at start: Int, count: Int) -> SIMD16<Float> {
        count == 16 ? sixteen(at: start) : SIMD16(repeating: one(at: start))
    }

    /// The sum over all places of `value` of each channel.
    ///
    /// Sums of 256 rows are added up on their own: long sums lose what is small.
    @inline(__always)
    fileprivate func channelSums(_ value: (_ start: Int, _ channel: Int, _ count: Int) -> SIMD16<Float>) -> Tensor {
        Tensor(unsafeUninitialized: [channels], of: Float.self) { sums in
            sums.initialize(repeating: 0)
            withUnsafeTemporaryAllocation(of: Float.self, capacity: channels) { block in
                let partial = UnsafeMutableRawPointer(block.baseAddress!)
                for first in stride(from: 0, to: rows, by: 256) {
                    block.initialize(repeating: 0)
                    forEachStep(in: first..<min(first + 256, rows)) { start, channel, count in
                        let part = value(start, channel, count)
                        if count == 16 {
                            let place = partial + 4 * channel
                            place.storeBytes(of: place.loadUnaligned(as: SIMD16<Float>.self) + part, as: SIMD16<Float>.self)
                        } else {
                            block[channel] += part[0]
                        }
                    }
                    for channel in 0..<channels { sums[channel] += block[channel] }
                }
            }
        }
    }
}

extension Tensor {
    /// The sum of each channel and of its squared deviations from its mean.
    ///
    /// - Shapes: contiguous `[…, C]` with at least one place → two of `[C]`, `float32`.
    func channelMoments() -> (mean: Tensor, squaredDeviations: Tensor) {
        let map = ChannelRows(self)
        return withExtendedLifetime(storage) {
            let mean = map.channelSums { start, _, count in map.load(at: start, count: count) } / Float(map.rows)
            let means = ChannelRows(mean)
            let deviations = map.channelSums { start, channel, count in
                let deviation = map.load(at: start, count: count) - means.load(at: channel, count: count)
                return deviation * deviation
            }
            return (mean, deviations)
        }
    }

    /// The sums over all places of this gradient, and of it times `map`'s deviation from `mean`.
    ///
    /// - Shapes: contiguous `[…, C]` both, `mean` `[C]` → two of `[C]`, `float32`.
    func channelProducts(with map: Tensor, around mean: Tensor) -> (sum: Tensor, products: Tensor) {
        let (gradient, map, means) = (ChannelRows(self), ChannelRows(map), ChannelRows(mean))
        let sum = gradient.channelSums { start, _, count in gradient.load(at: start, count: count) }
        let products = gradient.channelSums { start, channel, count in
            gradient.load(at: start, count: count)
                * (map.load(at: start, count: count) - means.load(at: channel, count: count))
        }
        return (sum, products)
    }

    /// `a · self + b · map + c`, with a number of each for every channel.
    ///
    /// - Shapes: contiguous `[…, C]` both, the rest `[C]` → `[…, C]`, of this tensor's element type.
    func channelAffine(_ a: Tensor, with map: Tensor, _ b: Tensor, _ c: Tensor) -> Tensor {
        let output = Tensor(uninitialized: shape, elementType)
        writeChannelAffine(a, with: map, b, c, into: output)
        return output
    }

    /// Writes `a · self + b · map + c` into `output`, contiguous, of this tensor's shape and element type, which nobody
    /// else has seen yet.
    func writeChannelAffine(_ a: Tensor, with map: Tensor, _ b: Tensor, _ c: Tensor, into output: Tensor) {
        let (left, right, target) = (ChannelRows(self), ChannelRows(map), ChannelTarget(output))
        let (a, b, c) = (ChannelRows(a), ChannelRows(b), ChannelRows(c))
        left.forEachStep(in: 0..<left.rows) { start, channel, count in
            let value =
                a.load(at: channel, count: count) * left.load(at: start, count: count)
                + b.load(at: channel, count: count) * right.load(at: start, count: count)
                + c.load(at: channel, count: count)
            target.store(value, at: start, count: count)
        }
    }

    /// Writes `a · self + c` into `output`, as `writeChannelAffine(_:with:_:_:into:)` does.
    func writeChannelAffine(_ a: Tensor, _ c: Tensor, into output: Tensor) {
        let (map, target) = (ChannelRows(self), ChannelTarget(output))
        let (a, c) = (ChannelRows(a), ChannelRows(c))
        map.forEachStep(in: 0..<map.rows) { start, channel, count in
            let value =
                a.load(at: channel, count: count) * map.load(at: start, count: count)
                + c.load(at: channel, count: count)
            target.store(value, at: start, count: count)
        }
    }
}
