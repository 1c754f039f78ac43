/// Searches a text as one of the well-known regular expressions does, in one pass over its bytes.
enum WordScanner: Sendable, CaseIterable {
    /// GPT-2's and RoBERTa's.
    case gpt2
    /// CLIP's: white space is no match.
    case clip
    /// Llama 3's, which is GPT-4's.
    case llama3
    /// Qwen 2's: as Llama 3's, but each digit by itself.
    case qwen2
    /// White space.
    case spaces
    /// Two or more blanks.
    case blanks
    /// A digit of any script.
    case digit
    /// Up to three of them.
    case threeDigits

    /// - Returns: nil if the expression is none of those that are known.
    init?(_ expression: String) {
        guard let scanner = Self.allCases.first(where: { $0.expression == expression }) else { return nil }
        self = scanner
    }

    var expression: String {
        switch self {
        case .gpt2: #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .clip: #"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#
        case .llama3: Self.expression(digits: #"\p{N}{1,3}"#)
        case .qwen2: Self.expression(digits: #"\p{N}"#)
        case .spaces: #"\s+"#
        case .blanks: " {2,}"
        case .digit: #"\p{N}"#
        case .threeDigits: #"\p{N}{1,3}"#
        }
    }

    private static func expression(digits: String) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    /// Cuts `range` into matches and what is between them.
    func forEachSegment(of bytes: UTF8Bytes, _ range: Range<Int>, _ body: (Int, Int, Bool) -> Void) {
        let text = Scan(bytes: UTF8Bytes(rebasing: bytes[..<range.upperBound]))
        switch self {
        case .gpt2: text.forEachMatch(from: range.lowerBound, { text.gpt2Match(at: $0) }, body)
        case .clip: text.forEachMatch(from: range.lowerBound, { text.clipMatch(at: $0) }, body)
        case .llama3: text.forEachMatch(from: range.lowerBound, { text.llamaMatch(at: $0, digits: 3) }, body)
        case .qwen2: text.forEachMatch(from: range.lowerBound, { text.llamaMatch(at: $0, digits: 1) }, body)
        case .spaces: text.forEachMatch(from: range.lowerBound, { text.end(of: .whitespace, from: $0) }, body)
        case .blanks: text.forEachMatch(from: range.lowerBound, { text.blanks(at: $0) }, body)
        case .digit: text.forEachMatch(from: range.lowerBound, { text.numbers(at: $0, upTo: 1) }, body)
        case .threeDigits: text.forEachMatch(from: range.lowerBound, { text.numbers(at: $0, upTo: 3) }, body)
        }
    }
}

/// A text up to where the search ends.
private struct Scan {
    private static let wordy: CharacterTraits = [.letter, .number, .whitespace]

    let bytes: UTF8Bytes
    let table = CharacterTable.shared

    /// Calls `match` at each character that no match covers; it returns its argument for no match.
    @inline(__always) func forEachMatch(
        from start: Int, _ match: (Int) -> Int, _ body: (Int, Int, Bool) -> Void
    ) {
        var (done, index) = (start, start)
        while index < bytes.count {
            let end = match(index)
            if end > index {
                if done < index { body(done, index, false) }
                body(index, end, true)
                (done, index) = (end, end)
            } else {
                index += bytes.scalar(at: index).length
            }
        }
        if done < index { body(done, index, false) }
    }

    @inline(__always) func character(at index: Int) -> (traits: CharacterTraits, length: Int) {
        let byte = bytes[index]
        if byte < 0x80 { return (table[ascii: byte], 1) }
        let (value, length) = bytes.scalar(at: index)
        return (table[value], length)
    }

    /// Behind the longest run of characters that have a trait.
    @inline(__always) func end(of trait: CharacterTraits, from start: Int) -> Int {
        var index = start
        while index < bytes.count {
            let (traits, length) = character(at: index)
            guard traits.contains(trait) else { break }
            index += length
        }
        return index
    }

    /// Behind the longest run of characters that are neither letters, numbers nor white space.
    @inline(__always) func endOfOthers(from start: Int) -> Int {
        var index = start
        while index < bytes.count {
            let (traits, length) = character(at: index)
            guard traits.isDisjoint(with: Self.wordy) else { break }
            index += length
        }
        return index
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`
    @inline(__always) func contraction(at index: Int, ignoresCase: Bool) -> Int {
        guard bytes[index] == UInt8(ascii: "'"), index + 1 < bytes.count else { return index }
        func letter(_ place: Int) -> UInt8 {
            guard place < bytes.count else { return 0 }
            let byte = bytes[place]
            return ignoresCase && byte &- 0x41 < 26 ? byte + 0x20 : byte
        }
        let first = letter(index + 1)
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return index + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return letter(index + 2) == UInt8(ascii: "e") ? index + 3 : index
        case UInt8(ascii: "l"): return letter(index + 2) == UInt8(ascii: "l") ? index + 3 : index
        // The long s is an s to those who ignore case.
        case 0xC5: return ignoresCase && letter(index + 2) == 0xBF ? index + 3 : index
        default: return index
        }
    }

    /// `\s+(?!\S)|\s+`: all of a run at the text's end, else all but its last character, if there are two.
    @inline(__always) func spaces(at index: Int) -> Int {
        let end = end(of: .whitespace, from: index)
        guard end < bytes.count, end > index else { return end }
        let last = bytes.start(before: end)
        return last > index ? last : end
    }

    @inline(__always) func gpt2Match(at index: Int) -> Int {
        let contraction = contraction(at: index, ignoresCase: false)
        if contraction > index { return contraction }
        let start = bytes[index] == 0x20 && index + 1 < bytes.count ? index + 1 : index
        let (traits, length) = character(at: start)
        if traits.contains(.letter) { return end(of: .letter, from: start + length) }
        if traits.contains(.number) { return end(of: .number, from: start + length) }
        if traits.contains(.whitespace) { return spaces(at: index) }
        return endOfOthers(from: start + length)
    }

    @inline(__always) func clipMatch(at index: Int) -> Int {
        let contraction = contraction(at: index, ignoresCase: false)
        if contraction > index { return contraction }
        let (traits, length) = character(at: index)
        if traits.contains(.letter) { return end(of: .letter, from: index + length) }
        if traits.contains(.number) { return index + length }
        return traits.contains(.whitespace) ? index : endOfOthers(from: index + length)
    }

    @inline(__always) func llamaMatch(at index: Int, digits: Int) -> Int {
        let contraction = contraction(at: index, ignoresCase: true)
        if contraction > index { return contraction }
        let (traits, length) = character(at: index)
        if traits.contains(.letter) { return end(of: .letter, from: index + length) }
        if traits.contains(.number) { return numbers(at: index, upTo: digits) }
        let byte = bytes[index]
        let next = index + length
        if byte != 0x0A, byte != 0x0D {
            let letters = end(of: .letter, from: next)
            if letters > next { return letters }
        }
        let start = byte == 0x20 ? next : index
        let others = endOfOthers(from: start)
        if others > start { return endOfLines(from: others) }
        return spacesWithLines(at: index)
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    private func spacesWithLines(at start: Int) -> Int {
        var index = start
        var lineEnd = start
        while index < bytes.count {
            let (traits, length) = character(at: index)
            guard traits.contains(.whitespace) else { break }
            if bytes[index] == 0x0A || bytes[index] == 0x0D { lineEnd = index + 1 }
            index += length
        }
        return lineEnd > start ? lineEnd : spaces(at: start)
    }

    private func endOfLines(from start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index] == 0x0A || bytes[index] == 0x0D { index += 1 }
        return index
    }

    func numbers(at start: Int, upTo limit: Int) -> Int {
        var index = start
        for _ in 0..<limit where index < bytes.count {
            let (traits, length) = character(at: index)
            guard traits.contains(.number) else { break }
            index += length
        }
        return index
    }

    func blanks(at start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index] == 0x20 { index += 1 }
        return index - start >= 2 ? index : start
    }
}
