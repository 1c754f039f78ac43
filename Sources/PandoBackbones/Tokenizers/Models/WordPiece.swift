/// Splits a word into the longest pieces of a vocabulary, from the left.
///
/// A piece that does not begin a word is spelled with a prefix (`##`) in the vocabulary. A word of which some rest is
/// in no piece, or that is too long, is one unknown token.
/// - Source: Schuster and Nakajima 2012, Japanese and Korean voice search.
struct WordPiece: Sendable {
    private let beginnings: ByteTrie
    private let continuations: ByteTrie
    private let unknownID: Int32
    /// In characters.
    private let longestWord: Int

    init(_ vocabulary: Vocabulary, unknownID: Int32, continuingPrefix: String, longestWord: Int) {
        let entries = vocabulary.entries
        let prefix = Array(continuingPrefix.utf8)
        beginnings = ByteTrie(entries)
        continuations = ByteTrie(
            entries.compactMap { $0.bytes.starts(with: prefix) ? ($0.bytes.dropFirst(prefix.count), $0.value) : nil })
        self.unknownID = unknownID
        self.longestWord = longestWord
    }

    /// Appends the numbers of a word's pieces.
    /// - Precondition: the word is not empty.
    func append(_ word: UTF8Bytes, to ids: inout [Int32]) {
        let before = ids.count
        var start = 0
        while start < word.count {
            let trie = start == 0 ? beginnings : continuations
            guard !isTooLong(word), let match = trie.longestMatch(in: word, at: start) else {
                ids.removeLast(ids.count - before)
                ids.append(unknownID)
                return
            }
            ids.append(match.value)
            start = match.end
        }
    }

    private func isTooLong(_ word: UTF8Bytes) -> Bool {
        guard word.count > longestWord else { return false }
        return word.reduce(0) { $1 & 0xC0 == 0x80 ? $0 : $0 + 1 } > longestWord
    }
}
