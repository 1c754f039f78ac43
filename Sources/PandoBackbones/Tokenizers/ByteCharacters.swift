/// The characters by which byte-level tokenizers spell bytes: visible ASCII and Latin as themselves, all others as
/// characters from U+0100 on.
/// - Source: Radford et al. 2019, GPT-2's `bytes_to_unicode`.
enum ByteCharacters {
    /// For each byte its character as UTF-8: one byte, or two if the second is not 0.
    static let spellings: [(UInt8, UInt8)] = values.map { value in
        value < 0x80
            ? (UInt8(value), 0) : (UInt8(0xC0 | value >> 6), UInt8(0x80 | value & 0x3F))
    }

    static func spelled(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count * 2)
        bytes.withUnsafeBufferPointer { append($0, to: &result) }
        return result
    }

    @inline(__always) static func append(_ bytes: UTF8Bytes, to result: inout [UInt8]) {
        spellings.withUnsafeBufferPointer { spellings in
            for byte in bytes {
                let (first, second) = spellings[Int(byte)]
                result.append(first)
                if second != 0 { result.append(second) }
            }
        }
    }

    /// The byte that a character spells.
    static func byte(of value: UInt32) -> UInt8? {
        value < UInt32(bytes.count) && bytes[Int(value)] >= 0 ? UInt8(bytes[Int(value)]) : nil
    }

    private static let values: [UInt32] = {
        var next: UInt32 = 0x100
        return (0..<256).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return UInt32(byte)
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x100 + 68)
        for (byte, value) in values.enumerated() { bytes[Int(value)] = Int16(byte) }
        return bytes
    }()
}
