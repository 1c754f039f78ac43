/// Splits a word into the pieces that are most likely together.
///
/// Each piece has a logarithm of its probability; the best way through the word is found from left to right. What is in
/// no piece becomes unknown tokens, neighbours of which are one, or bytes.
/// - Source: Kudo 2018, Subword regularization (arXiv:1804.10959), and the order in which the Hugging Face `tokenizers`
///   package adds and compares. No sampling.
/// - Cost: linear in the word's length, times the length of the longest pieces.
struct Unigram: Sendable {
    private let pieces: ByteTrie
    private let vocabulary: Vocabulary
    private let scores: [Double]
    private let unknownID: Int32
    private let unknownScore: Double
    private let byteTokens: ByteTokens?

    /// - Parameter scores: of each number of the vocabulary.
    init(_ vocabulary: Vocabulary, scores: [Double], unknownID: Int32, fallsBackToBytes: Bool) {
        pieces = ByteTrie(vocabulary.entries)
        self.vocabulary = vocabulary
        self.scores = scores
        self.unknownID = unknownID
        unknownScore = (scores.min() ?? 0) - 10
        byteTokens = fallsBackToBytes ? ByteTokens(vocabulary) : nil
    }

    /// The best way to each place in a word, kept to be used again.
    struct Paths {
        fileprivate struct Path {
            var score = 0.0
            /// Where its last piece begins, or -1 if there is no way yet.
            var start = -1
            var id: Int32 = 0
        }
        fileprivate var paths: [Path] = []
    }

    /// Appends the numbers of a word's pieces.
    func append(_ word: UTF8Bytes, to ids: inout [Int32], using memory: inout Paths) {
        memory.paths.removeAll(keepingCapacity: true)
        memory.paths.append(contentsOf: repeatElement(Paths.Path(), count: word.count + 1))
        memory.paths.withUnsafeMutableBufferPointer { paths in
            scores.withUnsafeBufferPointer { scores in findPaths(through: word, paths, scores) }
        }
        appendPieces(of: word, memory.paths, to: &ids)
    }

    @inline(__always) private func findPaths(
        through word: UTF8Bytes, _ paths: UnsafeMutableBufferPointer<Paths.Path>,
        _ scores: UnsafeBufferPointer<Double>
    ) {
        @inline(__always) func offer(_ score: Double, _ id: Int32, from start: Int, to end: Int) {
            if paths[end].start < 0 || score > paths[end].score {
                paths[end] = Paths.Path(score: score, start: start, id: id)
            }
        }
        var start = 0
        while start < word.count {
            let score = paths[start].score
            let next = start + word.scalar(at: start).length
            var hasSingle = false
            pieces.forEachMatch(in: word, at: start) { end, id in
                offer(scores[Int(id)] + score, id, from: start, to: end)
                if end == next { hasSingle = true }
            }
            if !hasSingle { offer(unknownScore + score, unknownID, from: start, to: next) }
            start = next
        }
    }

    /// Goes back along the best way. Unknown pieces side by side are looked up as one.
    private func appendPieces(of word: UTF8Bytes, _ paths: [Paths.Path], to ids: inout [Int32]) {
        let before = ids.count
        var end = word.count
        while end > 0 {
            let path = paths[end]
            var start = path.start
            if path.id == unknownID {
                while start > 0, paths[start].id == unknownID { start = paths[start].start }
                appendUnknown(word.slice(start, end), to: &ids)
            } else {
                ids.append(path.id)
            }
            end = start
        }
        ids[before...].reverse()
    }

    /// In reverse order, as what is around it.
    private func appendUnknown(_ text: UTF8Bytes, to ids: inout [Int32]) {
        if let id = vocabulary.id(of: text) {
            ids.append(id)
            return
        }
        let before = ids.count
        if let byteTokens, byteTokens.append(text, to: &ids) {
            ids[before...].reverse()
        } else {
            ids.append(unknownID)
        }
    }
}
