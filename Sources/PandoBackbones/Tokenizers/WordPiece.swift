/// Splits a word into the longest pieces of a vocabulary, from the left.
///
/// A piece that does not begin a word is spelled with a prefix (`##`) in the vocabulary. A word of which some rest is
/// in no piece, or that is too long, is one unknown token.
struct WordPiece: Sendable {
    private let beginnings: TokenTrie
    private let continuations: TokenTrie
    private let unknownID: Int32
    private let longestWord: Int
    let vocabularySize: Int

    /// - Parameter vocabulary: spellings and numbers; no spelling twice.
    init(
        vocabulary: [(token: String, id: Int32)], unknownID: Int32, continuingPrefix: String, longestWord: Int
    ) {
        var beginnings = TokenTrie()
        var continuations = TokenTrie()
        var highest: Int32 = -1
        let prefix = Array(continuingPrefix.unicodeScalars)
        for (token, id) in vocabulary {
            let scalars = Array(token.unicodeScalars)
            beginnings.insert(scalars[...], id: id)
            if scalars.starts(with: prefix) { continuations.insert(scalars[prefix.count...], id: id) }
            highest = max(highest, id)
        }
        self.beginnings = beginnings
        self.continuations = continuations
        self.unknownID = unknownID
        self.longestWord = longestWord
        vocabularySize = Int(highest) + 1
    }

    func id(of token: String) -> Int32? {
        let scalars = Array(token.unicodeScalars)
        guard let match = beginnings.longestMatch(in: scalars[...]), match.end == scalars.count else { return nil }
        return match.id
    }

    /// Appends the numbers of a word's pieces.
    /// - Precondition: the word is not empty.
    func append(word: ArraySlice<Unicode.Scalar>, to ids: inout [Int32]) {
        let before = ids.count
        var rest = word
        while !rest.isEmpty {
            let trie = rest.startIndex == word.startIndex ? beginnings : continuations
            guard word.count <= longestWord, let match = trie.longestMatch(in: rest) else {
                ids.removeLast(ids.count - before)
                ids.append(unknownID)
                return
            }
            ids.append(match.id)
            rest = rest[match.end...]
        }
    }
}

/// Spellings with numbers, arranged so that the longest one at the beginning of a text is found in one pass.
///
/// A node is a spelling's beginning; its children are found by hashing node and scalar.
struct TokenTrie: Sendable {
    private struct Slot {
        /// Parent and scalar; `empty` if the slot is free.
        var key: UInt64
        var child: Int32
    }
    private static let empty = UInt64.max
    private static let root: Int32 = 0

    /// A power of two of slots, at most half of them taken; a key stands at its hash or in the next free slot.
    private var slots = [Slot](repeating: Slot(key: empty, child: 0), count: 64)
    /// The number of the spelling that ends at each node, or -1.
    private var ids: [Int32] = [-1]

    /// An empty spelling is left out: no text begins with it more than with any other.
    mutating func insert(_ scalars: ArraySlice<Unicode.Scalar>, id: Int32) {
        guard !scalars.isEmpty else { return }
        var node = Self.root
        for scalar in scalars { node = child(of: node, scalar) ?? addChild(of: node, scalar) }
        ids[Int(node)] = id
    }

    /// The longest spelling with which `text` begins, and the index behind it.
    func longestMatch(in text: ArraySlice<Unicode.Scalar>) -> (end: Int, id: Int32)? {
        var match: (end: Int, id: Int32)?
        var node = Self.root
        for index in text.indices {
            guard let next = child(of: node, text[index]) else { break }
            node = next
            if ids[Int(node)] >= 0 { match = (index + 1, ids[Int(node)]) }
        }
        return match
    }

    private func child(of node: Int32, _ scalar: Unicode.Scalar) -> Int32? {
        let key = Self.key(node, scalar)
        let slot = slots[slotIndex(for: key)]
        return slot.key == key ? slot.child : nil
    }

    private mutating func addChild(of node: Int32, _ scalar: Unicode.Scalar) -> Int32 {
        if ids.count * 2 >= slots.count { grow() }
        let key = Self.key(node, scalar)
        let child = Int32(ids.count)
        slots[slotIndex(for: key)] = Slot(key: key, child: child)
        ids.append(-1)
        return child
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(key: Self.empty, child: 0), count: old.count * 4)
        for slot in old where slot.key != Self.empty { slots[slotIndex(for: slot.key)] = slot }
    }

    private static func key(_ node: Int32, _ scalar: Unicode.Scalar) -> UInt64 {
        UInt64(node) << 32 | UInt64(scalar.value)
    }

    /// Where `key` stands, or would be put.
    private func slotIndex(for key: UInt64) -> Int {
        let mask = slots.count - 1
        // Fibonacci hashing: the upper bits of the product depend on all bits of the key.
        var index = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while slots[index].key != key && slots[index].key != Self.empty { index = (index + 1) & mask }
        return index
    }
}
