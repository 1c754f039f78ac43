import Foundation
import PandoTensor

/// Turns text into the token numbers that a backbone was trained on, and back.
///
/// Built from a Hugging Face `tokenizer.json`: the text is searched for added tokens, normalised, split into words, and
/// each word into tokens of the vocabulary; special tokens are put around, and the whole is truncated and padded. Gives
/// the same numbers as the `tokenizers` package.
///
/// Models: WordPiece (BERT), BPE by bytes or characters (GPT-2, RoBERTa, CLIP, Llama), Unigram (T5, SigLIP, XLM-R) and
/// WordLevel. What a file asks for beyond what is supported is refused when it is read.
/// - Cost: close to linear in the length of the text. Words are remembered, so one tokenizer for all texts is faster
///   than one each; several threads may use it at once.
public struct Tokenizer: Sendable {
    /// How long a text may get, special tokens included. As the file says; `nil` for no limit.
    public var truncation: Truncation?
    /// What fills up short texts. As the file says; `nil` for nothing.
    public var padding: Padding?

    let addedTokens: AddedTokens
    let normalizers: [Normalizer]
    let preTokenizers: [PreTokenizer]
    let model: TokenModel
    let vocabulary: Vocabulary
    let template: TokenTemplate
    /// nil: tokens are put together with spaces between them.
    let decoders: [TokenDecoder]?
    private let workspaces: TokenizerWorkspaces

    /// A limit on the length of a text.
    public struct Truncation: Sendable, Hashable {
        /// In tokens, special ones included.
        public var length: Int
        /// Which end is cut off.
        public var side: Side
        /// Which of two texts is cut.
        public var strategy: Strategy

        public enum Strategy: Sendable, Hashable {
            /// The longer one, until both are of equal length; then both.
            case longestFirst
            case onlyFirst
            case onlySecond
        }

        public init(length: Int, side: Side = .right, strategy: Strategy = .longestFirst) {
            self.length = length
            self.side = side
            self.strategy = strategy
        }
    }

    /// How short texts are filled up.
    public struct Padding: Sendable, Hashable {
        public enum Length: Sendable, Hashable {
            case fixed(Int)
            /// The longest text of the batch.
            case longest
        }
        public var length: Length
        /// The length is rounded up to a multiple of this.
        public var multiple: Int
        /// Where the filling stands.
        public var side: Side
        public var id: Int32
        public var typeID: Int32

        public init(_ length: Length, multiple: Int = 1, side: Side = .right, id: Int32 = 0, typeID: Int32 = 0) {
            self.length = length
            self.multiple = multiple
            self.side = side
            self.id = id
            self.typeID = typeID
        }
    }

    public enum Side: Sendable, Hashable { case left, right }

    /// Reads a `tokenizer.json`.
    /// - Throws: everything in the file that cannot be used.
    public init(_ url: URL) throws(TokenizerError) {
        self = try TokenizerFile(url).tokenizer()
    }

    init(
        truncation: Truncation?, padding: Padding?, addedTokens: AddedTokens, normalizers: [Normalizer],
        preTokenizers: [PreTokenizer], model: TokenModel, vocabulary: Vocabulary, template: TokenTemplate,
        decoders: [TokenDecoder]?
    ) {
        self.truncation = truncation
        self.padding = padding
        self.addedTokens = addedTokens
        self.normalizers = normalizers
        self.preTokenizers = preTokenizers
        self.model = model
        self.vocabulary = vocabulary
        self.template = template
        self.decoders = decoders
        workspaces = TokenizerWorkspaces()
    }

    /// How many different tokens there are: one more than the highest number.
    public var vocabularySize: Int { Int(max(vocabulary.highestID, addedTokens.highestID)) + 1 }

    /// The number of a token, `nil` if there is none of this spelling.
    public func id(of token: String) -> Int32? { vocabulary.id(of: token) ?? addedTokens.id(of: token) }

    /// How the vocabulary spells a token, `nil` if there is none of this number.
    public func token(of id: Int32) -> String? { spelling(of: id).map { String(decoding: $0, as: UTF8.self) } }

    func spelling(of id: Int32) -> [UInt8]? {
        addedTokens.spelling(of: id) ?? vocabulary.spelling(of: id).map(Array.init)
    }

    // MARK: Texts to tokens

    /// One text, truncated, with special tokens, and padded if `padding` has a fixed length.
    /// - Precondition: `truncation` has room for the special tokens.
    public func encode(_ text: String, addingSpecialTokens: Bool = true) -> TokenSequence {
        var sequence = sequence(of: text, addingSpecialTokens)
        pad(&sequence)
        return sequence
    }

    /// Two texts as one sequence, such as a question and a passage.
    /// - Throws: if one of them alone is to be cut, and is too short for that.
    /// - Precondition: `truncation` has room for the special tokens.
    public func encode(
        _ first: String, _ second: String, addingSpecialTokens: Bool = true
    ) throws(TruncationError) -> TokenSequence {
        var (firstIDs, secondIDs): (ArraySlice<Int32>, ArraySlice<Int32>) = (ids(of: first)[...], ids(of: second)[...])
        if let truncation {
            let length = room(truncation, isPair: true, addingSpecialTokens)
            try truncation.cut(&firstIDs, &secondIDs, to: length)
        }
        var sequence = template.applied(to: firstIDs, and: secondIDs, addingSpecialTokens: addingSpecialTokens)
        pad(&sequence)
        return sequence
    }

    /// Several texts of one length. Where `padding` is `nil` they are filled up to the longest, with number 0.
    /// - Shapes: each array of the result is `[texts, length]`.
    public func encode(_ texts: [String], addingSpecialTokens: Bool = true) -> TokenBatch {
        batch(texts.map { sequence(of: $0, addingSpecialTokens) })
    }

    /// Several pairs of texts of one length, filled up as single texts are.
    /// - Shapes: each array of the result is `[pairs, length]`.
    /// - Throws: if one text of a pair alone is to be cut, and is too short for that.
    public func encode(
        pairs: [(first: String, second: String)], addingSpecialTokens: Bool = true
    ) throws(TruncationError) -> TokenBatch {
        var unpadded = self
        unpadded.padding = nil
        var sequences: [TokenSequence] = []
        for (first, second) in pairs {
            sequences.append(try unpadded.encode(first, second, addingSpecialTokens: addingSpecialTokens))
        }
        return batch(sequences)
    }

    private func sequence(of text: String, _ addingSpecialTokens: Bool) -> TokenSequence {
        var ids = ids(of: text)[...]
        if let truncation {
            let length = room(truncation, isPair: false, addingSpecialTokens)
            ids = truncation.cut(ids, to: length)
        }
        return template.applied(to: ids, addingSpecialTokens: addingSpecialTokens)
    }

    private func room(_ truncation: Truncation, isPair: Bool, _ addingSpecialTokens: Bool) -> Int {
        let added = addingSpecialTokens ? template.addedCount(isPair: isPair) : 0
        let room = truncation.length - added
        require(room >= 0, "Tokenizer: a length of \(truncation.length) has no room for \(added) special tokens")
        return room
    }

    /// The numbers of a text's own tokens: no special ones around, no limit.
    private func ids(of text: String) -> [Int32] {
        workspaces.withWorkspace { workspace in
            var ids: [Int32] = []
            ids.reserveCapacity(text.utf8.count / 3)
            var text = text
            text.withUTF8 { bytes in
                addedTokens.forEachPiece(of: bytes, normalized: false) { piece in
                    switch piece {
                    case .token(let id): ids.append(id)
                    case .text(let range): append(bytes, range, to: &ids, workspace)
                    }
                }
                if bytes.count > 1 << 16 { workspace.shrink() }
            }
            return ids
        }
    }

    private func append(
        _ bytes: UTF8Bytes, _ range: Range<Int>, to ids: inout [Int32], _ workspace: TokenizerWorkspace
    ) {
        var text = NormalizedText(bytes: Array(bytes[range]), beginsAtOrigin: range.lowerBound == 0)
        for normalizer in normalizers { normalizer.apply(to: &text, using: workspace.forms) }
        text.bytes.withUnsafeBufferPointer { bytes in
            addedTokens.forEachPiece(of: bytes, normalized: true) { piece in
                switch piece {
                case .token(let id): ids.append(id)
                case .text(let range):
                    workspace.pieces.removeAll()
                    workspace.pieces.text.append(contentsOf: bytes[range])
                    workspace.pieces.appendPiece(0, range.count)
                    workspace.pieces.beginsAtOrigin = text.beginsAtOrigin && range.lowerBound == 0
                    appendWords(of: workspace, to: &ids)
                }
            }
        }
    }

    private func appendWords(of workspace: TokenizerWorkspace, to ids: inout [Int32]) {
        for step in preTokenizers { step.apply(to: &workspace.pieces, &workspace.sparePieces) }
        workspace.pieces.text.withUnsafeBufferPointer { bytes in
            for piece in workspace.pieces.pieces {
                model.append(bytes.slice(piece.start, piece.end), to: &ids, using: &workspace.memory)
            }
        }
    }

    // MARK: Padding

    private func pad(_ sequence: inout TokenSequence) {
        if let padding { sequence.pad(to: paddedLength(longest: sequence.ids.count, padding), padding) }
    }

    private func batch(_ sequences: [TokenSequence]) -> TokenBatch {
        var sequences = sequences
        let padding = padding ?? Padding(.longest)
        let length = paddedLength(longest: sequences.map(\.ids.count).max() ?? 0, padding)
        for index in sequences.indices { sequences[index].pad(to: length, padding) }
        // Without truncation a text may be longer than a fixed length of padding.
        let width = sequences.map(\.ids.count).max() ?? 0
        var fill = padding
        fill.length = .fixed(width)
        for index in sequences.indices { sequences[index].pad(to: width, fill) }
        return TokenBatch(sequences, length: width)
    }

    private func paddedLength(longest: Int, _ padding: Padding) -> Int {
        let length = if case .fixed(let length) = padding.length { length } else { longest }
        let multiple = max(padding.multiple, 1)
        return (length + multiple - 1) / multiple * multiple
    }
}
