import PandoBackbones
import PandoData
import PandoTensor

/// What goes into a backbone, of every example of a data set, in memory.
enum ExampleInputs: Sendable {
    case pictures(DecodedPictures)
    case texts(TokenizedTexts)

    var count: Int {
        switch self {
        case .pictures(let pictures): pictures.count
        case .texts(let texts): texts.count
        }
    }

    /// What they take in memory.
    var byteCount: Int {
        switch self {
        case .pictures(let pictures): pictures.byteCount
        case .texts(let texts): texts.byteCount
        }
    }

    /// Some examples as the backbone takes them.
    func batch(_ rows: [Int]) -> BackboneInput {
        switch self {
        case .pictures(let pictures):
            var none: SeededGenerator?
            return .pictures(pictures.batch(rows, augmentedUsing: &none))
        case .texts(let texts): return .texts(texts.batch(rows))
        }
    }
}

/// Texts as token ids, each of its own length.
struct TokenizedTexts: Sendable {
    private let ids: [[Int32]]
    private let maximumTokens: Int

    /// - Parameter maximumTokens: longer texts are cut.
    init(_ texts: [String], by tokenizer: Tokenizer, maximumTokens: Int, workers: Int) {
        self.maximumTokens = maximumTokens
        let blocks = texts.indices.blocks(of: 256)
        ids = Parallel.map(blocks.count, workers: workers) { block in
            blocks[block].map { Array(tokenizer.encode(texts[$0]).ids.prefix(maximumTokens)) }
        }.flatMap { $0 }
    }

    /// Texts of as many tokens as there may be, for a rehearsal.
    init(blank count: Int, maximumTokens: Int) {
        self.maximumTokens = maximumTokens
        ids = Array(repeating: Array(repeating: 0, count: maximumTokens), count: count)
    }

    var count: Int { ids.count }
    /// Of the numbers; arrays themselves take some more.
    var byteCount: Int { ids.reduce(0) { $0 + $1.count * MemoryLayout<Int32>.stride } }

    /// Tokens of a text.
    func length(of row: Int) -> Int { ids[row].count }

    /// Some texts, padded to the longest of them or a little more, so that few lengths occur.
    ///
    /// - Shapes: `[rows.count, T]`.
    func batch(_ rows: [Int]) -> TokenTensors {
        let texts = rows.map { ids[$0] }
        let longest = texts.map(\.count).max() ?? 1
        return TokenTensors(texts, paddedTo: TokenTensors.paddedLength(longest, atMost: maximumTokens))
    }
}
