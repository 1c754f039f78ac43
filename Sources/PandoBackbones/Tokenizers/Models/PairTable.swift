/// Which pairs of symbols become one, in which order, and what they become.
struct PairTable: Sendable {
    struct Merge: Sendable {
        /// Lower ones come first.
        var rank: Int32
        var id: Int32
    }

    /// Keys and merges by hash: a power of two of slots, at most half of them taken.
    private var keys: [UInt64]
    private var merges: [Merge]
    private static let free = UInt64.max

    /// - Parameter capacity: at least as many as will be inserted.
    init(capacity: Int) {
        var slotCount = 16
        while slotCount < capacity * 2 { slotCount *= 2 }
        keys = [UInt64](repeating: Self.free, count: slotCount)
        merges = [Merge](repeating: Merge(rank: 0, id: 0), count: slotCount)
    }

    /// Of equal pairs the last counts.
    mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
        let key = Self.key(left, right)
        let slot = slotIndex(for: key)
        keys[slot] = key
        merges[slot] = merge
    }

    @inline(__always) subscript(left: Int32, right: Int32) -> Merge? {
        let key = Self.key(left, right)
        let slot = slotIndex(for: key)
        return keys[slot] == key ? merges[slot] : nil
    }

    @inline(__always) private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always) private func slotIndex(for key: UInt64) -> Int {
        let mask = keys.count - 1
        // Fibonacci hashing: the upper bits of the product depend on all bits of the key.
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while keys[slot] != key && keys[slot] != Self.free { slot = (slot + 1) & mask }
        return slot
    }
}
