/// Tokens that are found in the text itself, before it is split into words: `[MASK]` and the like.
struct AddedTokens: Sendable {
    struct Token: Sendable {
        let content: String
        let id: Int32
        /// Found only where no letter or digit stands beside it.
        let isSingleWord: Bool
        /// Takes the white space in front of it, or behind it, along.
        let stripsLeft: Bool
        let stripsRight: Bool
        /// Searched for in the normalised text rather than in the text as given.
        let isNormalized: Bool
        /// Left out when tokens are turned back into text.
        let isSpecial: Bool
    }

    /// A part of a text: a token that was found, or what stands between tokens.
    enum Piece {
        case token(Int32)
        case text(Range<Int>)
    }

    private let tokens: [Token]
    private let positions: [Int32: Int]
    /// How tokens are spelled in a normalised text; empty for those that are searched for in the text as given.
    private let normalizedSpellings: [[UInt8]]
    /// Spellings with positions in `tokens`.
    private let raw: ByteTrie?
    private let normalized: ByteTrie?

    init(_ tokens: [Token], normalizers: [Normalizer]) {
        self.tokens = tokens
        positions = Dictionary(tokens.enumerated().map { ($1.id, $0) }) { $1 }
        let forms = UnicodeForms()
        let spellings: [[UInt8]] = tokens.map { token in
            guard token.isNormalized else { return [] }
            var text = NormalizedText(bytes: Array(token.content.utf8), beginsAtOrigin: true)
            for normalizer in normalizers { normalizer.apply(to: &text, using: forms) }
            return text.bytes
        }
        normalizedSpellings = spellings
        func trie(normalized: Bool) -> ByteTrie? {
            let positions = tokens.indices.filter { tokens[$0].isNormalized == normalized }
            guard !positions.isEmpty else { return nil }
            return ByteTrie(
                positions.map { position in
                    let bytes = normalized ? spellings[position] : Array(tokens[position].content.utf8)
                    return (bytes[...], Int32(position))
                })
        }
        raw = trie(normalized: false)
        normalized = trie(normalized: true)
    }

    var highestID: Int32 { tokens.map(\.id).max() ?? -1 }

    func id(of content: String) -> Int32? {
        tokens.first { $0.content.utf8.elementsEqual(content.utf8) }?.id
    }

    /// How a token is spelled where tokens are turned back into text.
    func spelling(of id: Int32) -> [UInt8]? {
        positions[id].map { tokens[$0].isNormalized ? normalizedSpellings[$0] : Array(tokens[$0].content.utf8) }
    }

    /// Whether a token is left out of texts: if it is special, and spelled as in the file.
    func isSpecial(_ id: Int32) -> Bool {
        guard let position = positions[id], tokens[position].isSpecial else { return false }
        return !tokens[position].isNormalized
            || normalizedSpellings[position].elementsEqual(tokens[position].content.utf8)
    }

    /// Cuts a text at the tokens found in it: from the left, the longest at each place.
    func forEachPiece(of text: UTF8Bytes, normalized isNormalized: Bool, _ body: (Piece) -> Void) {
        guard !text.isEmpty else { return }
        guard let trie = isNormalized ? normalized : raw else { return body(.text(0..<text.count)) }
        var done = 0
        var position = 0
        while position < text.count {
            guard trie.begins(with: text[position]), let match = trie.longestMatch(in: text, at: position) else {
                position += 1
                continue
            }
            let token = tokens[Int(match.value)]
            var (start, end) = (position, match.end)
            position = match.end
            if token.isSingleWord, Self.touchesWord(text, start, end) { continue }
            if token.stripsLeft { start = Self.startOfSpace(text, before: start, notBefore: done) }
            if token.stripsRight { end = Self.endOfSpace(text, from: end) }
            if done < start { body(.text(done..<start)) }
            body(.token(token.id))
            done = end
        }
        if done < text.count { body(.text(done..<text.count)) }
    }

    private static func touchesWord(_ text: UTF8Bytes, _ start: Int, _ end: Int) -> Bool {
        let table = CharacterTable.shared
        if start > 0, table[text.scalar(at: text.start(before: start)).value].contains(.word) { return true }
        return end < text.count && table[text.scalar(at: end).value].contains(.word)
    }

    private static func startOfSpace(_ text: UTF8Bytes, before start: Int, notBefore limit: Int) -> Int {
        var start = start
        while start > limit {
            let previous = text.start(before: start)
            guard CharacterTable.shared[text.scalar(at: previous).value].contains(.whitespace) else { break }
            start = previous
        }
        return start
    }

    private static func endOfSpace(_ text: UTF8Bytes, from end: Int) -> Int {
        var end = end
        while end < text.count {
            let (value, length) = text.scalar(at: end)
            guard CharacterTable.shared[value].contains(.whitespace) else { break }
            end += length
        }
        return end
    }
}
