/// A text that is being normalised.
struct NormalizedText {
    var bytes: [UInt8]
    /// Whether what is first now comes from the very beginning of the text that was given.
    var beginsAtOrigin: Bool
}

/// One step that changes a text before it is cut into words.
enum Normalizer: Sendable {
    case bert(BertNormalizer)
    case lowercase
    case form(UnicodeForm)
    case stripAccents
    case strip(left: Bool, right: Bool)
    case replace(TextPattern, by: [UInt8])
    case prepend([UInt8])
    case precompiled(CharacterMap)
    /// SentencePiece's cleaning for machine translation: control characters out, odd white space to spaces.
    case translation
    case byteLevel

    func apply(to text: inout NormalizedText, using forms: UnicodeForms) {
        switch self {
        case .bert(let normalizer): normalizer.apply(to: &text, using: forms)
        case .lowercase: text.bytes = Self.lowercased(text.bytes)
        case .form(let form): text.bytes = forms.applied(form, to: text.bytes)
        case .stripAccents: text.filter { _, traits in !traits.contains(.mark) }
        case .strip(let left, let right): Self.strip(&text, left: left, right: right)
        case .replace(let pattern, let content): Self.replace(pattern, by: content, in: &text)
        case .prepend(let content): if !text.bytes.isEmpty { text.bytes.insert(contentsOf: content, at: 0) }
        case .precompiled(let map): text.bytes = map.applied(to: text.bytes)
        case .translation: Self.cleanForTranslation(&text)
        case .byteLevel: text.bytes = ByteCharacters.spelled(text.bytes)
        }
    }

    /// Each character by itself, so that a sigma at a word's end becomes the same as any other.
    static func lowercased(_ bytes: [UInt8]) -> [UInt8] {
        let table = CharacterTable.shared
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let byte = bytes[index]
                if byte < 0x80 {
                    result.append(byte &- 0x41 < 26 ? byte + 0x20 : byte)
                    index += 1
                    continue
                }
                let (value, length) = bytes.scalar(at: index)
                if table[value].contains(.hasLowercase), let scalar = Unicode.Scalar(value) {
                    result.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
                } else {
                    result.append(contentsOf: bytes[index..<index + length])
                }
                index += length
            }
        }
        return result
    }

    private static func strip(_ text: inout NormalizedText, left: Bool, right: Bool) {
        let table = CharacterTable.shared
        text.bytes = text.bytes.withUnsafeBufferPointer { bytes in
            var (start, end) = (0, bytes.count)
            while left, start < end {
                let (value, length) = bytes.scalar(at: start)
                guard table[value].contains(.whitespace) else { break }
                start += length
            }
            while right, start < end {
                let last = bytes.start(before: end)
                guard table[bytes.scalar(at: last).value].contains(.whitespace) else { break }
                end = last
            }
            if start > 0 { text.beginsAtOrigin = false }
            return Array(bytes[start..<end])
        }
    }

    private static func replace(_ pattern: TextPattern, by content: [UInt8], in text: inout NormalizedText) {
        guard !text.bytes.isEmpty else { return }
        var result: [UInt8] = []
        result.reserveCapacity(text.bytes.count)
        var cutsBeginning = false
        text.bytes.withUnsafeBufferPointer { bytes in
            pattern.forEachSegment(of: bytes, 0..<bytes.count) { start, end, isMatch in
                if isMatch {
                    result.append(contentsOf: content)
                    if start == 0, end > 0, content.isEmpty { cutsBeginning = true }
                } else {
                    result.append(contentsOf: bytes[start..<end])
                }
            }
        }
        if cutsBeginning { text.beginsAtOrigin = false }
        text.bytes = result
    }

    private static func cleanForTranslation(_ text: inout NormalizedText) {
        text.filter { value, _ in
            switch value {
            case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: false
            default: true
            }
        } map: { value in
            switch value {
            case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: 0x20
            default: value
            }
        }
    }
}

extension NormalizedText {
    /// Keeps some characters, perhaps as others.
    mutating func filter(
        _ isKept: (UInt32, CharacterTraits) -> Bool, map: (UInt32) -> UInt32 = { $0 }
    ) {
        let table = CharacterTable.shared
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var cutsBeginning = false
        bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let (value, length) = bytes.scalar(at: index)
                if isKept(value, table[value]) {
                    result.append(scalar: map(value))
                } else if index == 0 {
                    cutsBeginning = true
                }
                index += length
            }
        }
        if cutsBeginning { beginsAtOrigin = false }
        bytes = result
    }
}
