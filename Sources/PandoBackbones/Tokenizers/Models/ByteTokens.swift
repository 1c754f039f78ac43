/// The tokens `<0x00>` to `<0xFF>`, which spell characters that a vocabulary lacks byte by byte.
struct ByteTokens: Sendable {
    /// By byte; -1 where the vocabulary has none.
    private let ids: [Int32]

    init(_ vocabulary: Vocabulary) {
        ids = (0..<256).map { vocabulary.id(of: Self.spelling(of: UInt8($0))) ?? -1 }
    }

    /// Appends a token for each byte, if there is one for all of them.
    func append(_ bytes: UTF8Bytes, to result: inout [Int32]) -> Bool {
        guard bytes.allSatisfy({ ids[Int($0)] >= 0 }) else { return false }
        for byte in bytes { result.append(ids[Int(byte)]) }
        return true
    }

    private static func spelling(of byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x" + (digits.count == 1 ? "0" : "") + digits + ">"
    }

    /// The byte that a token stands for.
    static func byte(of spelling: ArraySlice<UInt8>) -> UInt8? {
        guard spelling.count == 6, spelling.starts(with: "<0x".utf8), spelling.last == UInt8(ascii: ">") else {
            return nil
        }
        let digits = spelling.dropFirst(3).prefix(2)
        guard digits.first != UInt8(ascii: "+"), digits.first != UInt8(ascii: "-") else { return nil }
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
