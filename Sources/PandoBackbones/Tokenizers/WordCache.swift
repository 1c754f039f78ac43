import Foundation

/// Hashing and comparing of short byte strings, eight bytes at a time.
enum ByteHash {
    @inline(__always) static func hash(_ bytes: UTF8Bytes) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: bytes.count) &* 0x9E37_79B9_7F4A_7C15
        guard let start = bytes.baseAddress else { return hash }
        let raw = UnsafeRawPointer(start)
        var offset = 0
        while offset + 8 <= bytes.count {
            hash = mixed(hash ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        if offset < bytes.count {
            var rest: UInt64 = 0
            while offset < bytes.count {
                rest = rest << 8 | UInt64(bytes[offset])
                offset += 1
            }
            hash = mixed(hash ^ rest)
        }
        return hash
    }

    @inline(__always) static func equal(_ left: UTF8Bytes, _ right: UTF8Bytes) -> Bool {
        guard left.count == right.count else { return false }
        guard let a = left.baseAddress, let b = right.baseAddress else { return true }
        return memcmp(a, b, left.count) == 0
    }

    @inline(__always) private static func mixed(_ value: UInt64) -> UInt64 {
        let product = (value ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: 0xE703_7ED1_A0B4_28DB)
        return product.high ^ product.low
    }
}

/// Words that were split before, with their tokens. Holds some ten thousand words; when it is full it starts anew.
struct WordCache {
    /// Longer words are seldom seen twice.
    static let longestWord = 64
    private static let limit = 1 << 15

    private struct Slot {
        var hash: UInt64
        var wordStart, idsStart: Int32
        /// -1 if the slot is free.
        var wordCount: Int16
        var idCount: Int16
    }
    private static let free = Slot(hash: 0, wordStart: 0, idsStart: 0, wordCount: -1, idCount: 0)

    private var slots = [Slot](repeating: free, count: 1024)
    private var count = 0
    private var words: [UInt8] = []
    private var ids: [Int32] = []

    /// Appends the tokens of a word if it is known.
    @inline(__always) func append(_ word: UTF8Bytes, hash: UInt64, to result: inout [Int32]) -> Bool {
        let slot = slots[index(of: word, hash)]
        guard slot.wordCount >= 0 else { return false }
        let start = Int(slot.idsStart)
        if slot.idCount == 1 {
            result.append(ids[start])
        } else {
            result.append(contentsOf: ids[start..<start + Int(slot.idCount)])
        }
        return true
    }

    /// Keeps the tokens of a word that is not known yet.
    mutating func insert(_ word: UTF8Bytes, hash: UInt64, _ tokens: ArraySlice<Int32>) {
        guard tokens.count <= Int(Int16.max) else { return }
        if count * 2 >= slots.count { grow() }
        slots[index(of: word, hash)] = Slot(
            hash: hash, wordStart: Int32(words.count), idsStart: Int32(ids.count), wordCount: Int16(word.count),
            idCount: Int16(tokens.count))
        words.append(contentsOf: word)
        ids.append(contentsOf: tokens)
        count += 1
    }

    private mutating func grow() {
        guard count < Self.limit else {
            slots = [Slot](repeating: Self.free, count: slots.count)
            words.removeAll(keepingCapacity: true)
            ids.removeAll(keepingCapacity: true)
            count = 0
            return
        }
        let old = slots
        slots = [Slot](repeating: Self.free, count: old.count * 4)
        let mask = slots.count - 1
        for slot in old where slot.wordCount >= 0 {
            var index = Int(truncatingIfNeeded: slot.hash) & mask
            while slots[index].wordCount >= 0 { index = (index + 1) & mask }
            slots[index] = slot
        }
    }

    /// Where a word stands, or would be put.
    @inline(__always) private func index(of word: UTF8Bytes, _ hash: UInt64) -> Int {
        slots.withUnsafeBufferPointer { slots in
            words.withUnsafeBufferPointer { words in
                let mask = slots.count - 1
                var index = Int(truncatingIfNeeded: hash) & mask
                while slots[index].wordCount >= 0 {
                    let slot = slots[index]
                    if slot.hash == hash {
                        let start = Int(slot.wordStart)
                        if ByteHash.equal(words.slice(start, start + Int(slot.wordCount)), word) { break }
                    }
                    index = (index + 1) & mask
                }
                return index
            }
        }
    }
}
