import Foundation

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

    func normalized(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(text.count)
        var isPlain = true
        for scalar in text {
            if cleansText {
                if scalar.isDroppedByBert { continue }
                if scalar.properties.isWhitespace {
                    result.append(" ")
                    continue
                }
            }
            if scalar.value >= 0xC0 { isPlain = false }
            if separatesIdeographs, scalar.isIdeographForBert {
                result += [" ", scalar, " "]
            } else {
                result.append(scalar)
            }
        }
        if stripsAccents, !isPlain { result = Self.withoutAccents(result) }
        return lowercases ? Self.lowercased(result) : result
    }

    private static func withoutAccents(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var string = String.UnicodeScalarView()
        string.append(contentsOf: text)
        return String(string).decomposedStringWithCanonicalMapping.unicodeScalars.filter {
            $0.bertCategory != .nonspacingMark
        }
    }

    /// Each character by itself, so that a sigma at a word's end becomes the same as any other.
    private static func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(text.count)
        for scalar in text {
            if scalar.isASCII {
                let isUpper = (UInt32(0x41)...0x5A).contains(scalar.value)
                result.append(isUpper ? Unicode.Scalar(UInt8(scalar.value) + 0x20) : scalar)
            } else {
                result += scalar.properties.lowercaseMapping.unicodeScalars
            }
        }
        return result
    }
}

extension Unicode.Scalar {
    /// The character's category in Unicode 8; unassigned if it came later.
    var bertCategory: Unicode.GeneralCategory {
        guard let age = properties.age, age.major <= 8 else { return .unassigned }
        return Self.recategorized[value] ?? properties.generalCategory
    }

    /// Characters that later versions of Unicode put elsewhere.
    private static let recategorized: [UInt32: Unicode.GeneralCategory] = [
        0x166D: .otherPunctuation, 0x1734: .nonspacingMark, 0x1885: .otherLetter, 0x1886: .otherLetter,
        0xA9BD: .spacingMark, 0x111C9: .otherPunctuation, 0x1171E: .nonspacingMark,
    ]

    fileprivate var isDroppedByBert: Bool {
        switch value {
        case 0x09, 0x0A, 0x0D, 0x20...0x7E: return false
        case 0x00...0x1F, 0x7F...0x9F, 0xFFFD: return true
        default:
            let category = bertCategory
            return category == .format || category == .privateUse
        }
    }

    /// The blocks that BERT calls Chinese. The gap before U+2B920 is in the original too.
    fileprivate var isIdeographForBert: Bool {
        switch value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }
}
