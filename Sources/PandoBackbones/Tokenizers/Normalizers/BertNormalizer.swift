/// Cleans a text as BERT's training did: control characters out, ideographs apart, accents off, lower case.
///
/// - Source: `BertNormalizer` of the Hugging Face `tokenizers` package, whose tables are those of Unicode 8:
///   characters that came later count as letters there, and so they do here.
struct BertNormalizer: Sendable {
    /// Drops control characters and turns white space into spaces.
    let cleansText: Bool
    /// Puts spaces around each ideograph, so that it becomes a word of its own.
    let separatesIdeographs: Bool
    /// Decomposes characters and drops their accents.
    let stripsAccents: Bool
    let lowercases: Bool

    func apply(to text: inout NormalizedText, using forms: UnicodeForms) {
        guard !text.bytes.isEmpty else { return }
        let isASCII = cleanAndSeparate(&text)
        guard !isASCII else { return }
        if stripsAccents {
            text.bytes = forms.applied(.decomposed, to: text.bytes)
            text.filter { _, traits in !traits.contains(.accent) }
        }
        if lowercases { text.bytes = Normalizer.lowercased(text.bytes) }
    }

    /// The first two steps, and lower case for ASCII, which the others leave alone. Returns whether that was all.
    private func cleanAndSeparate(_ text: inout NormalizedText) -> Bool {
        let table = CharacterTable.shared
        var isASCII = true
        var result: [UInt8] = []
        result.reserveCapacity(text.bytes.count + 16)
        var cutsBeginning = false
        text.bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let byte = bytes[index]
                if byte < 0x80 {
                    if cleansText, byte < 0x20 || byte == 0x7F {
                        if table[ascii: byte].contains(.control) {
                            if index == 0 { cutsBeginning = true }
                        } else {
                            result.append(0x20)
                        }
                    } else {
                        result.append(lowercases && byte &- 0x41 < 26 ? byte + 0x20 : byte)
                    }
                    index += 1
                    continue
                }
                isASCII = false
                let (value, length) = bytes.scalar(at: index)
                let traits = table[value]
                if cleansText, traits.contains(.control) {
                    if index == 0 { cutsBeginning = true }
                } else if cleansText, traits.contains(.whitespace) {
                    result.append(0x20)
                } else if separatesIdeographs, Self.isIdeograph(value) {
                    result.append(0x20)
                    result.append(contentsOf: bytes[index..<index + length])
                    result.append(0x20)
                } else {
                    result.append(contentsOf: bytes[index..<index + length])
                }
                index += length
            }
        }
        if cutsBeginning { text.beginsAtOrigin = false }
        text.bytes = result
        return isASCII
    }

    /// The blocks that BERT calls Chinese. The gap before U+2B920 is in the original too.
    private static func isIdeograph(_ value: UInt32) -> Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }
}
