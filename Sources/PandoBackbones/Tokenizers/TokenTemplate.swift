/// What stands around a text's own tokens: `[CLS] text [SEP]`.
struct TokenTemplate: Sendable {
    enum Part: Sendable {
        /// Special tokens.
        case tokens([Int32], typeID: Int32)
        /// The text itself.
        case text(typeID: Int32)
    }

    let parts: [Part]

    /// How many tokens are added to those of the text.
    var addedCount: Int {
        parts.reduce(0) { if case .tokens(let ids, _) = $1 { $0 + ids.count } else { $0 } }
    }

    func applied(to text: ArraySlice<Int32>) -> TokenSequence {
        var sequence = TokenSequence(ids: [], attentionMask: [], typeIDs: [])
        for part in parts {
            let (ids, typeID) =
                switch part {
                case .tokens(let ids, let typeID): (ids[...], typeID)
                case .text(let typeID): (text, typeID)
                }
            sequence.ids += ids
            sequence.attentionMask += repeatElement(1, count: ids.count)
            sequence.typeIDs += repeatElement(typeID, count: ids.count)
        }
        return sequence
    }
}
