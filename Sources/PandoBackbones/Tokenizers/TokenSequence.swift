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
