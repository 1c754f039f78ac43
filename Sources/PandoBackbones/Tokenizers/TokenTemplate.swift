/// What stands around the tokens of a text, or of two: `[CLS] first [SEP] second [SEP]`.
struct TokenTemplate: Sendable {
    enum Part: Sendable {
        /// Special tokens.
        case tokens([Int32], typeID: Int32)
        case first(typeID: Int32)
        case second(typeID: Int32)
    }

    let single: [Part]
    let pair: [Part]

    /// Nothing around: the texts one after another, told apart by their type.
    static let plain = TokenTemplate(
        single: [.first(typeID: 0)], pair: [.first(typeID: 0), .second(typeID: 1)])

    /// How many special tokens are added to those of the text or texts.
    func addedCount(isPair: Bool) -> Int {
        (isPair ? pair : single).reduce(0) { if case .tokens(let ids, _) = $1 { $0 + ids.count } else { $0 } }
    }

    /// - Parameter second: nil for a single text.
    func applied(
        to first: ArraySlice<Int32>, and second: ArraySlice<Int32>? = nil, addingSpecialTokens: Bool = true
    ) -> TokenSequence {
        var sequence = TokenSequence(ids: [], attentionMask: [], typeIDs: [])
        for part in second == nil ? single : pair {
            let (ids, typeID): (ArraySlice<Int32>, Int32)
            switch part {
            case .tokens(let special, let type): (ids, typeID) = (addingSpecialTokens ? special[...] : [], type)
            case .first(let type): (ids, typeID) = (first, type)
            case .second(let type): (ids, typeID) = (second ?? [], type)
            }
            sequence.ids += ids
            sequence.attentionMask += repeatElement(1, count: ids.count)
            sequence.typeIDs += repeatElement(typeID, count: ids.count)
        }
        return sequence
    }
}
