/// Writes symbols in as few bits as their shares say, the last symbol first.
///
/// - Source: asymmetric numeral systems, the range variant (Duda 2013, arXiv:1311.2540).
struct RangeEncoder {
    /// The state stays in `2²³ ..< 2³¹` and moves a byte at a time.
    static let lowest: UInt32 = 1 << 23

    private var state = lowest
    private var bytes: [UInt8] = []

    /// - Parameter capacity: for how many bytes there shall be room.
    init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    /// Writes a symbol that has `frequency` shares of `2^scaleBits`, after `start` shares of others.
    /// - Precondition: `0 < frequency < 2^scaleBits`, `scaleBits <= 16`.
    mutating func put(_ frequency: UInt32, after start: UInt32, of scaleBits: UInt32) {
        let limit = ((Self.lowest >> scaleBits) << 8) * frequency
        while state >= limit {
            bytes.append(UInt8(truncatingIfNeeded: state))
            state >>= 8
        }
        state = (state / frequency) << scaleBits + state % frequency + start
    }

    /// All bytes, in the order in which they are read.
    mutating func finish() -> [UInt8] {
        for _ in 0..<4 {
            bytes.append(UInt8(truncatingIfNeeded: state))
            state >>= 8
        }
        bytes.reverse()
        return bytes
    }
}

/// Reads what a `RangeEncoder` wrote, the symbol first that was put last.
///
/// Bytes that no encoder wrote give some symbols; beyond their end come zeros.
struct RangeDecoder {
    private let bytes: UnsafeRawBufferPointer
    private var next = 0
    private var state: UInt32 = 0

    /// - Parameter bytes: stay valid as long as this is used.
    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        for _ in 0..<4 { state = state << 8 | byte() }
        // Only bytes that no encoder wrote leave the state's range; brought back, it stays there.
        state = max(state & (RangeEncoder.lowest << 8 - 1), RangeEncoder.lowest)
    }

    /// Which share of `2^scaleBits` comes next: it is one of the next symbol's.
    func share(of scaleBits: UInt32) -> UInt32 { state & (1 << scaleBits - 1) }

    /// Goes on behind a symbol of `frequency` shares, of which the one that came is the one at `offset`.
    @inline(__always)
    mutating func advance(_ frequency: UInt32, _ offset: UInt32, of scaleBits: UInt32) {
        state = frequency &* (state >> scaleBits) &+ offset
        while state < RangeEncoder.lowest { state = state << 8 | byte() }
    }

    @inline(__always)
    private mutating func byte() -> UInt32 {
        guard next < bytes.count else { return 0 }
        next += 1
        return UInt32(bytes[next - 1])
    }
}

/// How many of `2^scaleBits` shares each of some symbols has: at least one, and all shares belong to one.
enum Shares {
    /// In proportion to `weights`.
    /// - Precondition: fewer weights than shares.
    static func of(_ weights: [Double], scaleBits: UInt32) -> [UInt32] {
        let scale = 1 << Int(scaleBits)
        let sum = weights.reduce(0, +)
        let total = sum > 0 ? sum : 1
        var shares = weights.map { max(1, Int($0 * Double(scale) / total)) }
        // What rounding left over or took too much is the most frequent symbols'.
        var rest = scale - shares.reduce(0, +)
        while rest != 0 {
            let largest = shares.indices.max { shares[$0] < shares[$1] } ?? 0
            let change = rest > 0 ? rest : max(rest, -(shares[largest] / 2))
            shares[largest] += change
            rest -= change
        }
        return shares.map { UInt32($0) }
    }

    /// How many shares belong to the symbols before each, and to all.
    static func starts(of frequencies: [UInt32]) -> [UInt32] { frequencies.reduce(into: [0]) { $0.append($0.last! + $1) } }
}
