import Foundation

/// SentencePiece's compiled normalisation: a trie of character sequences, and what takes their place.
///
/// Format, little-endian: `u32` bytes of the trie; the trie as a double array of `u32` units; the replacements, each
/// ended by a zero byte, to which the trie's values point. A unit: bits 0–7 the byte that leads to it, bit 8 whether a
/// value hangs below, bits 10–30 the offset to its children, times 256 if bit 9 is set; in a value's unit bits 0–30
/// are the value and bit 31 is set.
/// - Source: Darts-clone's double array; the text is taken apart as the Hugging Face `tokenizers` package does it: by
///   grapheme clusters of less than six bytes where they have an entry, else by characters, and by the shortest entry.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]
    /// What takes the place of each ASCII character by itself; nil where it stays.
    private var ascii: [Range<Int>?] = []

    /// Why bytes are no such map.
    struct FormatError: Error {
        let reason: String
    }

    init(_ bytes: [UInt8]) throws(FormatError) {
        guard bytes.count >= 4 else { throw FormatError(reason: "has \(bytes.count) bytes, too few for a trie's size") }
        func word(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << UInt32(8 * $1) }
        }
        let size = Int(word(0))
        guard size > 0, size % 4 == 0, size <= bytes.count - 4 else {
            throw FormatError(
                reason: "has a trie of \(size) bytes in \(bytes.count - 4); expected a multiple of 4 that fits")
        }
        units = (0..<size / 4).map { word(4 + 4 * $0) }
        replacements = Array(bytes[(4 + size)...])
        guard String(validating: replacements, as: UTF8.self) != nil else {
            throw FormatError(reason: "has replacements that are not valid UTF-8")
        }
        for unit in units where unit >> 31 == 1 {
            let value = Int(unit & 0x7FFF_FFFF)
            guard value <= replacements.count, value == replacements.count || replacements[value] & 0xC0 != 0x80 else {
                throw FormatError(
                    reason: "points to byte \(value) of its replacements, which is no character's beginning there")
            }
        }
        ascii = (0..<128).map { code in [UInt8(code)].withUnsafeBufferPointer { replacement(of: $0) } }
    }

    func applied(to text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let byte = bytes[index]
                let isAlone = index + 1 == bytes.count || (bytes[index + 1] < 0x80 && byte != 0x0D)
                if byte < 0x80, isAlone {
                    if let range = ascii[Int(byte)] {
                        result.append(contentsOf: replacements[range])
                    } else {
                        result.append(byte)
                    }
                    index += 1
                } else {
                    index = appendClusters(of: bytes, from: index, to: &result)
                }
            }
        }
        return result
    }

    /// Goes on from `index` by one grapheme cluster at least, and returns where it came to.
    private func appendClusters(of bytes: UTF8Bytes, from index: Int, to result: inout [UInt8]) -> Int {
        let (value, length) = bytes.scalar(at: index)
        if Self.isPlain(value) {
            let next = index + length
            if next == bytes.count || Self.isPlain(bytes.scalar(at: next).value) {
                append(cluster: bytes.slice(index, next), to: &result)
                return next
            }
        }
        // Up to the next two plain characters, between which a cluster ends for certain, or to a limit.
        var limit = 256
        while true {
            var end = index + length
            var wasPlain = false
            var isComplete = true
            while end < bytes.count {
                let (value, length) = bytes.scalar(at: end)
                let isPlain = Self.isPlain(value)
                if isPlain && wasPlain { break }
                if end - index >= limit {
                    isComplete = false
                    break
                }
                wasPlain = isPlain
                end += length
            }
            let clusters = Array(String(decoding: bytes[index..<end], as: UTF8.self))
            var place = index
            for cluster in isComplete ? clusters[...] : clusters.dropLast() {
                let next = place + cluster.utf8.count
                append(cluster: bytes.slice(place, next), to: &result)
                place = next
            }
            if place > index { return place }
            limit *= 2
        }
    }

    private func append(cluster: UTF8Bytes, to result: inout [UInt8]) {
        if cluster.count < 6, let range = replacement(of: cluster) {
            result.append(contentsOf: replacements[range])
            return
        }
        var index = 0
        while index < cluster.count {
            let end = index + cluster.scalar(at: index).length
            if let range = replacement(of: cluster.slice(index, end)) {
                result.append(contentsOf: replacements[range])
            } else {
                result.append(contentsOf: cluster[index..<end])
            }
            index = end
        }
    }

    /// What the shortest entry that `bytes` begin with stands for.
    private func replacement(of bytes: UTF8Bytes) -> Range<Int>? {
        var node = Int(Self.offset(units[0]))
        for byte in bytes {
            guard byte != 0 else { return nil }
            node ^= Int(byte)
            guard node < units.count else { return nil }
            let unit = units[node]
            guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
            node ^= Int(Self.offset(unit))
            guard node < units.count else { return nil }
            if unit >> 8 & 1 == 1 {
                let start = Int(units[node] & 0x7FFF_FFFF)
                guard units[node] >> 31 == 1 else { return nil }
                return start..<(replacements[start...].firstIndex(of: 0) ?? replacements.count)
            }
        }
        return nil
    }

    private static func offset(_ unit: UInt32) -> UInt32 { (unit >> 10) << ((unit & 1 << 9) >> 6) }

    /// Characters that never join with another plain one; not all of them.
    private static func isPlain(_ value: UInt32) -> Bool {
        switch value {
        case 0x20...0x7E, 0xA1...0xA8, 0xAE...0x2FF, 0x370...0x482, 0x48A...0x587, 0x5D0...0x5EA, 0x620...0x64A,
            0x671...0x6D3, 0xE01...0xE30, 0x2010...0x2027, 0x3001...0x3029, 0x3041...0x3096, 0x30A1...0x30FA,
            0x3400...0x9FFF, 0xAC00...0xD7A3, 0xFF01...0xFF9D:
            true
        default: false
        }
    }
}
