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
    }

    /// A part of a text: a token that was found, or what stands between tokens.
    enum Piece {
        case token(Int32)
        case text(ArraySlice<Unicode.Scalar>)
    }

    private let tokens: [Token]
    /// Spellings with positions in `tokens`.
    private let raw: TokenTrie?
    private let normalized: TokenTrie?

    init(_ tokens: [Token], normalizer: BertNormalizer?) {
        self.tokens = tokens
        func trie(normalized: Bool) -> TokenTrie? {
            var trie: TokenTrie?
            for (position, token) in tokens.enumerated() where token.isNormalized == normalized {
                let scalars = Array(token.content.unicodeScalars)
                let spelling = normalized ? normalizer?.normalized(scalars[...]) ?? scalars : scalars
                trie = trie ?? TokenTrie()
                trie?.insert(spelling[...], id: Int32(position))
            }
            return trie
        }
        raw = trie(normalized: false)
        normalized = trie(normalized: true)
    }

    var highestID: Int { tokens.map { Int($0.id) }.max() ?? -1 }

    func id(of content: String) -> Int32? {
        tokens.first { $0.content.unicodeScalars.elementsEqual(content.unicodeScalars) }?.id
    }

    /// Cuts a text at the tokens found in it: from the left, the longest at each place.
    func split(_ text: [Unicode.Scalar], normalized isNormalized: Bool) -> [Piece] {
        guard let trie = isNormalized ? normalized : raw else { return [.text(text[...])] }
        var pieces: [Piece] = []
        var done = 0
        var position = 0
        while position < text.count {
            guard let match = trie.longestMatch(in: text[position...]) else {
                position += 1
                continue
            }
            let token = tokens[Int(match.id)]
            var (start, end) = (position, match.end)
            position = match.end
            if token.isSingleWord {
                let touches = (start > 0 && text[start - 1].isWordLike) || (end < text.count && text[end].isWordLike)
                if touches { continue }
            }
            if token.stripsLeft { while start > done, text[start - 1].properties.isWhitespace { start -= 1 } }
            if token.stripsRight { while end < text.count, text[end].properties.isWhitespace { end += 1 } }
            if done < start { pieces.append(.text(text[done..<start])) }
            pieces.append(.token(token.id))
            done = end
        }
        if done < text.count { pieces.append(.text(text[done...])) }
        return pieces
    }
}

extension Unicode.Scalar {
    /// Whether a regular expression's `\w` matches: letters, marks, decimal digits, connectors and joiners.
    fileprivate var isWordLike: Bool {
        if properties.isAlphabetic || properties.isJoinControl { return true }
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
        default: return false
        }
    }
}
