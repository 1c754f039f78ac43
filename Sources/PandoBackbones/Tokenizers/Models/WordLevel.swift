/// Takes each word as one token, known or unknown.
struct WordLevel: Sendable {
    let vocabulary: Vocabulary
    let unknownID: Int32

    func append(_ word: UTF8Bytes, to ids: inout [Int32]) { ids.append(vocabulary.id(of: word) ?? unknownID) }
}
