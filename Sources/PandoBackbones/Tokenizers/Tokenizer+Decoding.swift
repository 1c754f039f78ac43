extension Tokenizer {
    /// Tokens as text, as the file's decoder puts them together; with spaces between them if it has none.
    ///
    /// Numbers that the tokenizer does not know are left out. Bytes that are no valid UTF-8 become replacement
    /// characters, as at the end of a text that is not yet complete.
    /// - Parameter skippingSpecialTokens: leaves out `[SEP]`, `<|endoftext|>` and the like.
    public func decode(_ ids: some Sequence<Int32>, skippingSpecialTokens: Bool = true) -> String {
        var tokens: [[UInt8]] = ids.compactMap { id in
            skippingSpecialTokens && addedTokens.isSpecial(id) ? nil : spelling(of: id)
        }
        guard let decoders else { return String(decoding: Array(tokens.joined(separator: [0x20])), as: UTF8.self) }
        for decoder in decoders { tokens = decoder.applied(to: tokens) }
        return String(decoding: Array(tokens.joined()), as: UTF8.self)
    }
}
