/// How many columns texts take on a terminal.
enum DisplayWidth {
    /// The columns of `text`: two for East Asian wide letters and emoji, none for control and combining characters.
    static func of(_ text: some StringProtocol) -> Int { text.reduce(0) { $0 + of($1) } }

    /// `text`, cut to at most `limit` columns with `…` at the end where something is missing.
    static func cut(_ text: String, to limit: Int) -> String {
        guard of(text) > limit else { return text }
        var kept = ""
        var width = 0
        for character in text {
            guard width + of(character) <= limit - 1 else { break }
            kept.append(character)
            width += of(character)
        }
        return kept + "…"
    }

    /// `text` with spaces to `width` columns, before it or after it.
    static func pad(_ text: String, to width: Int, atStart: Bool = false) -> String {
        let padding = String(repeating: " ", count: max(0, width - of(text)))
        return atStart ? padding + text : text + padding
    }

    /// One grapheme cluster's columns: those of its widest scalar, so that joined emoji take two.
    private static func of(_ character: Character) -> Int {
        character.unicodeScalars.reduce(0) { max($0, of($1)) }
    }

    private static func of(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.properties.generalCategory {
        case .control, .format, .nonspacingMark, .enclosingMark, .lineSeparator, .paragraphSeparator: return 0
        default: break
        }
        if scalar.properties.isEmojiPresentation { return 2 }
        // Blocks of Unicode's East_Asian_Width W and F.
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
            0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F,
            0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
