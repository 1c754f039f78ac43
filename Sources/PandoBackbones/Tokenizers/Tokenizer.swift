import Foundation
import PandoTensor

/// Turns text into the token numbers that a language backbone was trained on.
///
/// Built from a Hugging Face `tokenizer.json` of BERT's kind: the text is searched for added tokens, normalised, split
/// into words, and each word is split into the longest known pieces; special tokens are put around, and the whole is
/// truncated and padded. Gives the same numbers as the `tokenizers` package for every text.
/// - Source: Schuster and Nakajima 2012, Japanese and Korean voice search (WordPiece); Devlin et al. 2018, BERT.
public struct Tokenizer: Sendable {
    /// How long a text may get, special tokens included. As the file says; `nil` for no limit.
    public var truncation: Truncation?
    /// What fills up short texts. As the file says; `nil` for nothing.
    public var padding: Padding?

    let addedTokens: AddedTokens
    let normalizer: BertNormalizer?
    let splitsWords: Bool
    let model: WordPiece
    let template: TokenTemplate

    /// A limit on the length of a text.
    public struct Truncation: Sendable, Hashable {
        /// In tokens, special ones included.
        public var length: Int
        /// Which end is cut off.
        public var side: Side

        public init(length: Int, side: Side = .right) {
            self.length = length
            self.side = side
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
        truncation: Truncation?, padding: Padding?, addedTokens: AddedTokens, normalizer: BertNormalizer?,
        splitsWords: Bool, model: WordPiece, template: TokenTemplate
    ) {
        self.truncation = truncation
        self.padding = padding
        self.addedTokens = addedTokens
        self.normalizer = normalizer
        self.splitsWords = splitsWords
        self.model = model
        self.template = template
    }

    /// How many different tokens there are: one more than the highest number.
    public var vocabularySize: Int { max(model.vocabularySize, addedTokens.highestID + 1) }

    /// The number of a token, `nil` if there is none of this spelling.
    public func id(of token: String) -> Int32? { model.id(of: token) ?? addedTokens.id(of: token) }

    /// One text, truncated, with special tokens, and padded if `padding` has a fixed length.
    public func encode(_ text: String) -> TokenSequence {
        var sequence = template.applied(to: truncated(ids(of: text)))
        if let padding { sequence.pad(to: paddedLength(longest: sequence.ids.count, padding), padding) }
        return sequence
    }

    /// Several texts of one length. Where `padding` is `nil` they are filled up to the longest, with number 0.
    /// - Shapes: each array of the result is `[texts, length]`.
    public func encode(_ texts: [String]) -> TokenBatch {
        var sequences = texts.map { template.applied(to: truncated(ids(of: $0))) }
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

    private func truncated(_ ids: [Int32]) -> ArraySlice<Int32> {
        guard let truncation else { return ids[...] }
        let room = truncation.length - template.addedCount
        require(
            room >= 0,
            "Tokenizer: a length of \(truncation.length) has no room for \(template.addedCount) special tokens")
        return truncation.side == .right ? ids.prefix(room) : ids.suffix(room)
    }

    private func paddedLength(longest: Int, _ padding: Padding) -> Int {
        let length = if case .fixed(let length) = padding.length { length } else { longest }
        let multiple = max(padding.multiple, 1)
        return (length + multiple - 1) / multiple * multiple
    }

    /// The numbers of a text's own tokens: no special ones around, no limit.
    private func ids(of text: String) -> [Int32] {
        var ids: [Int32] = []
        for piece in addedTokens.split(Array(text.unicodeScalars), normalized: false) {
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let raw):
                let clean = normalizer?.normalized(raw) ?? Array(raw)
                for piece in addedTokens.split(clean, normalized: true) {
                    switch piece {
                    case .token(let id): ids.append(id)
                    case .text(let text): appendWords(of: text, to: &ids)
                    }
                }
            }
        }
        return ids
    }

    private func appendWords(of text: ArraySlice<Unicode.Scalar>, to ids: inout [Int32]) {
        guard splitsWords else {
            if !text.isEmpty { model.append(word: text, to: &ids) }
            return
        }
        BertPreTokenizer.forEachWord(in: text) { model.append(word: $0, to: &ids) }
    }
}

/// One text as token numbers.
public struct TokenSequence: Sendable, Equatable {
    public internal(set) var ids: [Int32]
    /// 1 for a token of the text, 0 for padding.
    public internal(set) var attentionMask: [Int32]
    /// Which part of the input each token belongs to.
    public internal(set) var typeIDs: [Int32]

    mutating func pad(to length: Int, _ padding: Tokenizer.Padding) {
        let missing = length - ids.count
        guard missing > 0 else { return }
        func fill(_ array: inout [Int32], _ value: Int32) {
            array.insert(contentsOf: repeatElement(value, count: missing), at: padding.side == .right ? array.count : 0)
        }
        fill(&ids, padding.id)
        fill(&attentionMask, 0)
        fill(&typeIDs, padding.typeID)
    }
}

/// Several texts as token numbers, all of one length, one after another.
public struct TokenBatch: Sendable, Equatable {
    /// How many texts.
    public let count: Int
    /// Tokens of each text, padding included.
    public let length: Int
    public let ids: [Int32]
    /// 1 for a token of the text, 0 for padding.
    public let attentionMask: [Int32]
    /// Which part of the input each token belongs to.
    public let typeIDs: [Int32]

    init(_ sequences: [TokenSequence], length: Int) {
        count = sequences.count
        self.length = length
        ids = sequences.flatMap(\.ids)
        attentionMask = sequences.flatMap(\.attentionMask)
        typeIDs = sequences.flatMap(\.typeIDs)
    }
}
