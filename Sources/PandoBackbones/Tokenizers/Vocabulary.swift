/// The tokens of a model: spellings, compared byte by byte, and their numbers.
struct Vocabulary: Sendable {
    /// All spellings, one after another.
    private var bytes: [UInt8] = []
    /// Where each ends.
    private var ends: [Int] = []
    private var ids: [Int32] = []
    /// Positions by hash: a power of two of slots, at most half of them taken; -1 if free.
    private var slots: [Int32]
    private var positions: [Int32: Int32]
    private(set) var highestID: Int32 = -1

    init(capacity: Int) {
        var slotCount = 64
        while slotCount < capacity * 2 { slotCount *= 2 }
        slots = [Int32](repeating: -1, count: slotCount)
        positions = Dictionary(minimumCapacity: capacity)
        ends.reserveCapacity(capacity)
        ids.reserveCapacity(capacity)
    }

    /// Of equal spellings the last counts.
    mutating func insert(_ spelling: String, id: Int32) {
        if (ids.count + 1) * 2 > slots.count { grow() }
        let start = bytes.count
        bytes.append(contentsOf: spelling.utf8)
        let slot = bytes.withUnsafeBufferPointer { slotIndex(for: $0.slice(start, $0.count)) }
        slots[slot] = Int32(ids.count)
        ends.append(bytes.count)
        ids.append(id)
        positions[id] = Int32(ids.count - 1)
        highestID = max(highestID, id)
    }

    func id(of spelling: UTF8Bytes) -> Int32? {
        let position = slots[slotIndex(for: spelling)]
        return position < 0 ? nil : ids[Int(position)]
    }

    func id(of spelling: String) -> Int32? {
        var spelling = spelling
        return spelling.withUTF8 { id(of: $0) }
    }

    func spelling(of id: Int32) -> ArraySlice<UInt8>? { positions[id].map { spelling(at: Int($0)) } }

    /// All spellings with their numbers, in the order in which they came.
    var entries: [(bytes: ArraySlice<UInt8>, value: Int32)] { ids.indices.map { (spelling(at: $0), ids[$0]) } }

    private func spelling(at position: Int) -> ArraySlice<UInt8> {
        bytes[(position == 0 ? 0 : ends[position - 1])..<ends[position]]
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: slots.count * 2)
        for position in ids.indices {
            let range = spelling(at: position).indices
            let slot = bytes.withUnsafeBufferPointer { slotIndex(for: $0.slice(range.lowerBound, range.upperBound)) }
            slots[slot] = Int32(position)
        }
    }

    /// Where a spelling stands, or would be put.
    private func slotIndex(for spelling: UTF8Bytes) -> Int {
        let mask = slots.count - 1
        return bytes.withUnsafeBufferPointer { bytes in
            var slot = Int(truncatingIfNeeded: ByteHash.hash(spelling)) & mask
            while slots[slot] >= 0 {
                let position = Int(slots[slot])
                let start = position == 0 ? 0 : ends[position - 1]
                if ByteHash.equal(bytes.slice(start, ends[position]), spelling) { break }
                slot = (slot + 1) & mask
            }
            return slot
        }
    }
}
