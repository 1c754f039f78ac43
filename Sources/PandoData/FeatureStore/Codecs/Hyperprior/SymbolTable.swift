/// The shares that whole numbers have, so that a range coder can write them.
///
/// Those within some range have shares of their own. All others share one, and are written in two bytes behind it.
struct SymbolTable: Sendable {
    private static let scaleBits: UInt32 = 16
    private let lowest: Int
    /// Of the numbers from `lowest`, of all others, and the end.
    private let starts: [UInt32]

    /// - Parameters:
    ///   - chances: of `lowest`, `lowest + 1`, …
    ///   - others: of all other numbers.
    init(_ chances: [Double], from lowest: Int, others: Double) {
        self.lowest = lowest
        starts = Shares.starts(of: Shares.of(chances + [max(others, 0)], scaleBits: Self.scaleBits))
    }

    func put(_ number: Int16, into encoder: inout RangeEncoder) {
        let others = starts.count - 2
        let place = Int(number) - lowest
        if (0..<others).contains(place) { return put(place, into: &encoder) }
        let bits = UInt32(UInt16(bitPattern: number))
        for byte in [bits & 0xFF, bits >> 8] { encoder.put(1 << 8, after: byte << 8, of: Self.scaleBits) }
        put(others, into: &encoder)
    }

    private func put(_ place: Int, into encoder: inout RangeEncoder) {
        encoder.put(starts[place + 1] - starts[place], after: starts[place], of: Self.scaleBits)
    }

    func next(from decoder: inout RangeDecoder) -> Int16 {
        let share = decoder.share(of: Self.scaleBits)
        // The last place that starts no later.
        var (place, end) = (0, starts.count - 1)
        while end - place > 1 {
            let middle = (place + end) / 2
            if starts[middle] <= share { place = middle } else { end = middle }
        }
        decoder.advance(starts[place + 1] - starts[place], share - starts[place], of: Self.scaleBits)
        guard place == starts.count - 2 else { return Int16(truncatingIfNeeded: lowest + place) }
        var bits: UInt32 = 0
        for _ in 0..<2 {
            let byte = decoder.share(of: Self.scaleBits)
            bits = bits << 8 | byte >> 8
            decoder.advance(1 << 8, byte & 0xFF, of: Self.scaleBits)
        }
        return Int16(bitPattern: UInt16(bits))
    }
}
