/// Splits a word into characters and merges neighbours, in the order in which the merges were learnt.
///
/// - Source: Sennrich, Haddow and Birch 2016, Neural machine translation of rare words with subword units
///   (arXiv:1508.07909), with what the Hugging Face `tokenizers` package adds. No dropout.
/// - Cost: n log n in the word's length.
struct BytePairEncoding: Sendable {
    struct Options: Sendable {
        /// Stands for characters that the vocabulary lacks; they vanish without it.
        var unknownID: Int32?
        /// One for neighbouring unknown characters together.
        var fusesUnknown = false
        /// Unknown characters become bytes, if there are tokens for all of them.
        var fallsBackToBytes = false
        /// A word that is a token is that token, whatever the merges say.
        var ignoresMerges = false
        /// Before a character that does not begin a word, in its spelling.
        var continuingPrefix: [UInt8] = []
        /// Behind the character that ends a word, in its spelling.
        var endSuffix: [UInt8] = []
    }

    private let vocabulary: Vocabulary
    private let pairs: PairTable
    private let options: Options
    private let byteTokens: ByteTokens?
    /// The tokens of single ASCII characters, -1 where there is none.
    private let asciiIDs: [Int32]
    /// Whether words can be cut in front of each `▁` that follows something else, with the same result.
    private let separatesAtMetaspace: Bool

    init(_ vocabulary: Vocabulary, pairs: PairTable, options: Options) {
        self.vocabulary = vocabulary
        self.pairs = pairs
        self.options = options
        byteTokens = options.fallsBackToBytes ? ByteTokens(vocabulary) : nil
        asciiIDs = (0..<128).map { vocabulary.id(of: String(Unicode.Scalar(UInt8($0)))) ?? -1 }
        separatesAtMetaspace =
            options.continuingPrefix.isEmpty && options.endSuffix.isEmpty && !options.ignoresMerges
            && Self.neverMergesAcrossMetaspace(vocabulary)
    }

    /// Calls `body` with the parts of a word that are split independently of each other.
    @inline(__always) func forEachPart(of word: UTF8Bytes, _ body: (UTF8Bytes) -> Void) {
        guard separatesAtMetaspace, word.count > WordCache.longestWord else { return body(word) }
        var start = 0
        var index = 1
        while index < word.count {
            if word[index] == 0xE2, word.starts(with: Self.metaspace, at: index) {
                let isRun = index - start >= 3 && word.starts(with: Self.metaspace, at: index - 3)
                if !isRun {
                    body(word.slice(start, index))
                    start = index
                }
                index += 3
            } else {
                index += 1
            }
        }
        body(word.slice(start, word.count))
    }

    /// Appends the numbers of a word's pieces.
    func append(_ word: UTF8Bytes, to ids: inout [Int32], using chain: inout SymbolChain) {
        if options.ignoresMerges, let id = vocabulary.id(of: word) {
            ids.append(id)
            return
        }
        chain.removeAll()
        var hasUnknown = false
        var index = 0
        while index < word.count {
            let length = word.scalar(at: index).length
            let end = index + length
            let id = id(ofCharacter: word.slice(index, end), isFirst: index == 0, isLast: end == word.count)
            if id >= 0 {
                if hasUnknown { appendUnknown(to: &chain) }
                hasUnknown = false
                chain.append(id)
            } else if let bytes = bytes(of: word.slice(index, end), isFirst: index == 0, isLast: end == word.count) {
                chain.append(contentsOf: bytes)
            } else {
                if hasUnknown, !options.fusesUnknown { appendUnknown(to: &chain) }
                hasUnknown = true
            }
            index = end
        }
        if hasUnknown { appendUnknown(to: &chain) }
        chain.merge(by: pairs, into: &ids)
    }

    private func appendUnknown(to chain: inout SymbolChain) {
        if let id = options.unknownID { chain.append(id) }
    }

    @inline(__always) private func id(ofCharacter bytes: UTF8Bytes, isFirst: Bool, isLast: Bool) -> Int32 {
        let isPlain =
            (isFirst || options.continuingPrefix.isEmpty) && (!isLast || options.endSuffix.isEmpty)
        if isPlain { return bytes.count == 1 ? asciiIDs[Int(bytes[0])] : vocabulary.id(of: bytes) ?? -1 }
        return spelling(of: bytes, isFirst, isLast).withUnsafeBufferPointer { vocabulary.id(of: $0) ?? -1 }
    }

    private func spelling(of bytes: UTF8Bytes, _ isFirst: Bool, _ isLast: Bool) -> [UInt8] {
        (isFirst ? [] : options.continuingPrefix) + bytes + (isLast ? options.endSuffix : [])
    }

    private func bytes(of character: UTF8Bytes, isFirst: Bool, isLast: Bool) -> [Int32]? {
        guard let byteTokens else { return nil }
        var ids: [Int32] = []
        let isKnown = spelling(of: character, isFirst, isLast).withUnsafeBufferPointer {
            byteTokens.append($0, to: &ids)
        }
        return isKnown ? ids : nil
    }

    private static let metaspace = Array("\u{2581}".utf8)

    /// Whether `▁` is a token, and no token has it behind anything but itself.
    private static func neverMergesAcrossMetaspace(_ vocabulary: Vocabulary) -> Bool {
        guard vocabulary.id(of: "\u{2581}") != nil else { return false }
        return vocabulary.entries.allSatisfy { entry in
            entry.bytes.withUnsafeBufferPointer { bytes in
                var isBehindOther = false
                var index = 0
                while index < bytes.count {
                    let isMetaspace = bytes.starts(with: metaspace, at: index)
                    if isMetaspace && isBehindOther { return false }
                    if !isMetaspace { isBehindOther = true }
                    index += bytes.scalar(at: index).length
                }
                return true
            }
        }
    }
}
