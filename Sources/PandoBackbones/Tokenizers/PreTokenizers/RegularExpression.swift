import Foundation

/// A general regular expression, as Oniguruma reads it, for patterns that no scanner is written for.
///
/// It is brought into ICU's notation: `\s` and `\w` mean Unicode's white space and words, `^` and `$` lines that end
/// with a line feed.
/// - Cost: that of ICU's backtracking; a pattern with repetitions within repetitions can take very long.
struct RegularExpression: Sendable {
    private let expression: NSRegularExpression

    /// Why a pattern cannot be used.
    struct SyntaxError: Error {
        let reason: String
    }

    init(_ pattern: String) throws(SyntaxError) {
        let translated = try Self.translated(pattern)
        do {
            expression = try NSRegularExpression(
                pattern: translated, options: [.anchorsMatchLines, .useUnixLineSeparators])
        } catch {
            throw SyntaxError(reason: "the regular expression \(pattern) cannot be read: \(error.localizedDescription)")
        }
    }

    /// Cuts `range` into matches and what is between them.
    func forEachSegment(of bytes: UTF8Bytes, _ range: Range<Int>, _ body: (Int, Int, Bool) -> Void) {
        let text = String(decoding: bytes[range], as: UTF8.self)
        // Matches are told in UTF-16; both counts go through the text side by side.
        var (index, units) = (range.lowerBound, 0)
        func advance(to target: Int) {
            while units < target {
                let length = bytes.scalar(at: index).length
                index += length
                units += length == 4 ? 2 : 1
            }
        }
        var done = range.lowerBound
        var lastEnd = -1
        for match in expression.matches(in: text, range: NSRange(location: 0, length: text.utf16.count)) {
            // An empty match right behind another one is none.
            if match.range.length == 0, match.range.location == lastEnd { continue }
            lastEnd = match.range.location + match.range.length
            advance(to: match.range.location)
            let start = index
            if done < start { body(done, start, false) }
            advance(to: lastEnd)
            body(start, index, true)
            done = index
        }
        if done < range.upperBound { body(done, range.upperBound, false) }
    }

    /// What Oniguruma takes for part of a word: as Unicode, and some digits and fractions of Latin-1.
    private static let word = #"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u00B2\u00B3\u00B9\u00BC-\u00BE"#

    private static func translated(_ pattern: String) throws(SyntaxError) -> String {
        var result = ""
        var depth = 0
        var characters = Array(pattern)[...]
        while let character = characters.popFirst() {
            switch character {
            case "\\":
                guard let escaped = characters.popFirst() else {
                    throw SyntaxError(reason: "the regular expression \(pattern) ends with a backslash")
                }
                switch escaped {
                case "s": result += #"\p{White_Space}"#
                case "S": result += #"\P{White_Space}"#
                case "w": result += "[\(word)]"
                case "W": result += "[^\(word)]"
                case "h", "H", "K", "O", "y", "Y", "g", "k":
                    throw SyntaxError(
                        reason: "the regular expression \(pattern) has \\\(escaped), which is not supported")
                default:
                    result += "\\\(escaped)"
                    // A property's name, in braces that repeat nothing.
                    if "pPx".contains(escaped), characters.first == "{" {
                        let end = characters.firstIndex(of: "}") ?? characters.endIndex - 1
                        result += String(characters[...end])
                        characters = characters[(end + 1)...]
                    }
                }
            case "}" where depth == 0 && characters.first == "+":
                throw SyntaxError(
                    reason: "the regular expression \(pattern) has a + behind }, which is not supported; "
                        + "write (?:…) around what is repeated")
            default:
                if character == "[" { depth += 1 }
                if character == "]" { depth = max(depth - 1, 0) }
                result.append(character)
            }
        }
        return result
    }
}
