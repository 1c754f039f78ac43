/// Splits a text into words: at white space, which is dropped, and around each punctuation mark.
enum BertPreTokenizer {
    static func forEachWord(
        in text: ArraySlice<Unicode.Scalar>, _ body: (ArraySlice<Unicode.Scalar>) -> Void
    ) {
        var start = text.startIndex
        for index in text.indices {
            let scalar = text[index]
            let isMark = scalar.isPunctuationForBert
            guard isMark || scalar.properties.isWhitespace else { continue }
            if start < index { body(text[start..<index]) }
            if isMark { body(text[index..<index + 1]) }
            start = index + 1
        }
        if start < text.endIndex { body(text[start...]) }
    }
}

extension Unicode.Scalar {
    /// All ASCII characters that are neither letters, digits, spaces nor controls, and Unicode 8's punctuation.
    fileprivate var isPunctuationForBert: Bool {
        switch value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        case ..<0x80: return false
        default: break
        }
        switch bertCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return true
        default: return false
        }
    }
}
