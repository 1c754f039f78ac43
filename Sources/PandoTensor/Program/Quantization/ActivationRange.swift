/// The values between which a layer's input lies.
struct ActivationRange: Hashable, Sendable {
    var lower: Float
    var upper: Float

    /// Whether the range can be encoded.
    var isValid: Bool { lower.isFinite && upper.isFinite && lower <= upper && (upper - lower).isFinite }
}

/// What was seen of a layer's input: its ends, and how often which value occurred between them.
struct ActivationHistogram {
    private(set) var range = ActivationRange(lower: .infinity, upper: -.infinity)
    private(set) var hasNonFinite = false
    private var counts: [Int] = []

    private static let binCount = 4096

    /// Widens the ends to hold `values`.
    mutating func widen(by values: Tensor) {
        values.withScalars { values in
            var (lower, upper, finite) = (range.lower, range.upper, true)
            for value in values {
                lower = min(lower, value)
                upper = max(upper, value)
                finite = finite && value.isFinite
            }
            range = ActivationRange(lower: lower, upper: upper)
            hasNonFinite = hasNonFinite || !finite
        }
    }

    /// Counts `values`, once the ends are known.
    mutating func count(_ values: Tensor) {
        if counts.isEmpty { counts = [Int](repeating: 0, count: Self.binCount) }
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

    /// The part of the range, the same at both ends, whose encoding is closest to what was counted, in the mean of
    /// squares.
    func rangeOfLeastError(allowingZeroPoint: Bool) -> ActivationRange {
        var best = (error: Double.infinity, range: range)
        for step in 0..<80 {
            let share = 1 - Float(step) * 0.01
            let part = ActivationRange(lower: range.lower * share, upper: range.upper * share)
            let encoding = Encoding(part, allowingZeroPoint: allowingZeroPoint)
            let error = squaredError(encoding)
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
