/// Turns bytes into a `JSON` value, following RFC 8259 to the letter.
struct JSONParser {
    /// Deeper nesting than any file of ours has, and far from exhausting the stack.
    private static let depthLimit = 64

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func parseDocument() throws(JSON.ParseError) -> JSON {
        let value = try parseValue(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw failure("something follows the end of the JSON value") }
        return value
    }

    private mutating func parseValue(depth: Int) throws(JSON.ParseError) -> JSON {
        guard depth < Self.depthLimit else { throw failure("nesting is deeper than \(Self.depthLimit)") }
        skipSpace()
        guard let byte = peek else { throw failure("the JSON ends too early") }
        switch byte {
        case UInt8(ascii: "{"): return try parseObject(depth: depth)
        case UInt8(ascii: "["): return try parseArray(depth: depth)
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        default: throw failure("expected a JSON value")
        }
    }

    // MARK: Objects and arrays

    /// A key as its code units: Swift's strings would equate "é" written as one scalar with the two-scalar form.
    private struct Key: Hashable {
        let text: String
        static func == (left: Key, right: Key) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }
        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    private mutating func parseObject(depth: Int) throws(JSON.ParseError) -> JSON {
        var members: [JSON.Member] = []
        var keys: Set<Key> = []
        try parseItems(until: UInt8(ascii: "}")) { parser throws(JSON.ParseError) in
            parser.skipSpace()
            let start = parser.position
            guard parser.peek == UInt8(ascii: "\"") else { throw parser.failure("expected a key") }
            let key = try parser.parseString()
            guard keys.insert(Key(text: key)).inserted else {
                throw JSON.ParseError(offset: start, reason: "the key \"\(key)\" occurs twice")
            }
            parser.skipSpace()
            guard parser.take(UInt8(ascii: ":")) else { throw parser.failure("expected a colon") }
            members.append(JSON.Member(key: key, value: try parser.parseValue(depth: depth + 1)))
        }
        return .object(members)
    }

    private mutating func parseArray(depth: Int) throws(JSON.ParseError) -> JSON {
        var items: [JSON] = []
        try parseItems(until: UInt8(ascii: "]")) { parser throws(JSON.ParseError) in
            items.append(try parser.parseValue(depth: depth + 1))
        }
        return .array(items)
    }

    /// Reads an opening bracket, items with commas between them, and the closing bracket.
    private mutating func parseItems(
        until end: UInt8, _ parseItem: (inout JSONParser) throws(JSON.ParseError) -> Void
    ) throws(JSON.ParseError) {
        position += 1
        skipSpace()
        if take(end) { return }
        while true {
            try parseItem(&self)
            skipSpace()
            if take(end) { return }
            guard take(UInt8(ascii: ",")) else {
                throw failure("expected a comma or \"\(Character(UnicodeScalar(end)))\"")
            }
        }
    }

    // MARK: Words, numbers, strings

    private mutating func parseWord(_ word: StaticString, _ value: JSON) throws(JSON.ParseError) -> JSON {
        for offset in 0..<word.utf8CodeUnitCount {
            guard take(word.utf8Start[offset]) else { throw failure("expected a JSON value") }
        }
        return value
    }

    private mutating func parseNumber() throws(JSON.ParseError) -> JSON {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try parseDigits() }
        var isWhole = true
        if take(UInt8(ascii: ".")) {
            isWhole = false
            try parseDigits()
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isWhole = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try parseDigits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole, let value = Int(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else {
            throw JSON.ParseError(offset: start, reason: "the number \(text.prefix(40)) is out of range")
        }
        return .number(value)
    }

    private mutating func parseDigits() throws(JSON.ParseError) {
        let start = position
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        guard position > start else { throw failure("expected a digit") }
    }

    private mutating func parseString() throws(JSON.ParseError) -> String {
        position += 1
        var result = ""
        while true {
            let start = position
            while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                guard byte >= 0x20 else { throw failure("a control character in a string") }
                position += 1
            }
            if position > start {
                guard let run = String(validating: bytes[start..<position], as: UTF8.self) else {
                    throw JSON.ParseError(offset: start, reason: "a string that is not valid UTF-8")
                }
                result.unicodeScalars.append(contentsOf: run.unicodeScalars)
            }
            if take(UInt8(ascii: "\"")) { return result }
            guard take(UInt8(ascii: "\\")) else { throw failure("the JSON ends inside a string") }
            result.unicodeScalars.append(try parseEscape())
        }
    }

    private mutating func parseEscape() throws(JSON.ParseError) -> Unicode.Scalar {
        guard let byte = peek else { throw failure("the JSON ends inside a string") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw failure("an unknown escape in a string")
        }
        let first = try parseHexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A scalar above U+FFFF is written as two surrogates.
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw failure("half of a surrogate pair in a string")
        }
        let second = try parseHexadecimal()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("half of a surrogate pair in a string") }
        return scalar
    }

    private mutating func parseHexadecimal() throws(JSON.ParseError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
                throw failure("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    // MARK: Bytes

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private func failure(_ reason: String) -> JSON.ParseError { JSON.ParseError(offset: position, reason: reason) }
}
