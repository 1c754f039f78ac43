/// How a word becomes tokens.
enum TokenModel: Sendable {
    case wordPiece(WordPiece)
    case bytePairs(BytePairEncoding)
    case unigram(Unigram)
    case wordLevel(WordLevel)

    /// What splitting words needs and leaves behind: memory, and the words that were split before.
    struct Memory {
        fileprivate var cache = WordCache()
        fileprivate var chain = SymbolChain()
        fileprivate var paths = Unigram.Paths()

        /// Gives memory that a long text took back.
        mutating func shrink() {
            chain = SymbolChain()
            paths = Unigram.Paths()
        }
    }

    /// Appends the numbers of a word's tokens.
    func append(_ word: UTF8Bytes, to ids: inout [Int32], using memory: inout Memory) {
        switch self {
        case .wordLevel(let model): model.append(word, to: &ids)
        case .wordPiece(let model):
            appendCached(word, to: &ids, &memory) { word, ids, _ in model.append(word, to: &ids) }
        case .unigram(let model):
            appendCached(word, to: &ids, &memory) { model.append($0, to: &$1, using: &$2.paths) }
        case .bytePairs(let model):
            model.forEachPart(of: word) { part in
                appendCached(part, to: &ids, &memory) { model.append($0, to: &$1, using: &$2.chain) }
            }
        }
    }

    @inline(__always) private func appendCached(
        _ word: UTF8Bytes, to ids: inout [Int32], _ memory: inout Memory,
        _ split: (UTF8Bytes, inout [Int32], inout Memory) -> Void
    ) {
        guard word.count <= WordCache.longestWord else { return split(word, &ids, &memory) }
        let hash = ByteHash.hash(word)
        if memory.cache.append(word, hash: hash, to: &ids) { return }
        let before = ids.count
        split(word, &ids, &memory)
        memory.cache.insert(word, hash: hash, ids[before...])
    }
}
