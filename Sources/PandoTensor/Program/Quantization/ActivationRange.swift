/// The values between which a layer's input lies.
struct ActivationRange: Hashable, Sendable {
    var lower: Float
    var upper: Float

    /// Whether the range can be encoded.
    var isValid: Bool { lower.isFinite && upper.isFinite && lower <= upper && (upper - lower).isFinite }
}

/// The smallest and largest value seen of each channel of a layer's input.
struct ChannelLimits {
    private var lower: [Float] = []
    private var upper: [Float] = []
    private(set) var hasNonFinite = false

    /// Widens the limits to hold `values`.
    ///
    /// - Shapes: `values` `[…, C]`.
    mutating func widen(by values: Tensor) {
        let channels = values.shape.last ?? 1
        if lower.isEmpty {
            lower = [Float](repeating: .infinity, count: channels)
            upper = [Float](repeating: -.infinity, count: channels)
        }
        var isFinite = true
        values.withScalars { values in
            lower.withUnsafeMutableBufferPointer { lower in
                upper.withUnsafeMutableBufferPointer { upper in
                    for start in stride(from: 0, to: values.count, by: max(channels, 1)) {
                        for channel in 0..<channels {
                            let value = values[start + channel]
                            lower[channel] = min(lower[channel], value)
                            upper[channel] = max(upper[channel], value)
                            isFinite = isFinite && value.isFinite
                        }
                    }
                }
            }
        }
        hasNonFinite = hasNonFinite || !isFinite
    }

    /// The range of the values, those of each channel divided by its factor.
    func range(dividedBy factors: [Float]?) -> ActivationRange {
        var range = ActivationRange(lower: .infinity, upper: -.infinity)
        for channel in lower.indices {
            let inverse = factors.map { 1 / $0[channel] } ?? 1
            range.lower = min(range.lower, lower[channel] * inverse)
            range.upper = max(range.upper, upper[channel] * inverse)
        }
        // A layer that no value reached.
        return range.isValid ? range : ActivationRange(lower: 0, upper: 0)
    }

    /// What to divide each channel by, and multiply the weights that read it by, so that channels of very different
    /// sizes share one scale: `√(max |x| / max |w|)`.
    ///
    /// - Shapes: each of `weights` `[O, C]`.
    /// - Source: Xiao et al. 2023 (arXiv:2211.10438), equation 4 with α = 0.5.
    func factors(for weights: [Tensor]) -> [Float] {
        let largest = weights.map { $0.cast(to: .float32).absolute().max(along: 0).scalars() }
        return lower.indices.map { channel in
            let activation = max(-lower[channel], upper[channel])
            let weight = largest.map { $0[channel] }.max() ?? 0
            let factor = (activation / weight).squareRoot()
            // A channel that is never anything else than zero, or that nobody reads.
            return factor.isNormal ? min(max(factor, 1e-4), 1e4) : 1
        }
    }
}

/// How often which value occurred between the ends of a range.
struct ActivationHistogram {
    let range: ActivationRange
    private var counts = [Int](repeating: 0, count: binCount)

    private static let binCount = 4096

    init(_ range: ActivationRange) { self.range = range }

    mutating func count(_ values: Tensor) {
        let inverse = Float(Self.binCount) / max(range.upper - range.lower, .leastNormalMagnitude)
        values.withScalars { values in
            counts.withUnsafeMutableBufferPointer { counts in
                for value in values {
                    let bin = min((value - range.lower) * inverse, Float(Self.binCount - 1))
                    counts[Int(max(bin, 0))] += 1
                }
            }
        }
    }

    private var width: Float { (range.upper - range.lower) / Float(Self.binCount) }

    /// The range that holds `percent` per cent of what was counted, what is left out taken from the ends evenly; from
    /// the upper end alone where no value is negative.
    func range(holding percent: Double) -> ActivationRange {
        let outside = Double(counts.reduce(0, +)) * (1 - percent / 100)
        let oneSided = range.lower >= 0
        func binsToDrop(_ bins: some Sequence<Int>, _ allowed: Double) -> Int {
            var (dropped, seen) = (0, 0.0)
            for count in bins {
                seen += Double(count)
                if seen > allowed { break }
                dropped += 1
            }
            return dropped
        }
        let below = oneSided ? 0 : binsToDrop(counts, outside / 2)
        let above = binsToDrop(counts.reversed(), oneSided ? outside : outside / 2)
        guard below + above < Self.binCount else { return range }
        return ActivationRange(lower: range.lower + Float(below) * width, upper: range.upper - Float(above) * width)
    }

    /// The part of the range, the same share of both ends, whose encoding is closest to what was counted, in the mean
    /// of squares.
    func rangeOfLeastError(allowingZeroPoint: Bool) -> ActivationRange {
        var best = (error: Double.infinity, range: range)
        for step in 0..<80 {
            let share = 1 - Float(step) * 0.01
            let part = ActivationRange(lower: range.lower * share, upper: range.upper * share)
            let error = squaredError(Encoding(part, allowingZeroPoint: allowingZeroPoint))
            if error < best.error { best = (error, part) }
        }
        return best.range
    }

    private func squaredError(_ encoding: Encoding) -> Double {
        let centers = Tensor(counts.indices.map { range.lower + (Float($0) + 0.5) * width })
        return zip(counts, zip(centers.scalars(), encoding.rounded(centers).scalars())).reduce(0) { sum, bin in
            let difference = Double(bin.1.0 - bin.1.1)
            return sum + Double(bin.0) * difference * difference
        }
    }
}
