import PandoTensor

/// The model and its vocabulary.
extension TokenizerFile {
    /// - Parameter added: among them the unknown token may be.
    static func model(
        _ json: JSON?, _ added: [AddedTokens.Token]
    ) throws(Problem) -> (model: TokenModel, vocabulary: Vocabulary) {
        guard let json else { throw Problem("is missing") }
        switch try modelType(json) {
        case "BPE": return try bytePairs(json, added)
        case "Unigram": return try unigram(json)
        case "WordLevel":
            let vocabulary = try vocabulary(json)
            let unknown = try unknownID(try string(json, "unk_token"), vocabulary)
            return (.wordLevel(WordLevel(vocabulary: vocabulary, unknownID: unknown)), vocabulary)
        default:
            let vocabulary = try vocabulary(json)
            let model = WordPiece(
                vocabulary, unknownID: try unknownID(try string(json, "unk_token"), vocabulary),
                continuingPrefix: try string(json, "continuing_subword_prefix"),
                longestWord: try count(json, "max_input_chars_per_word"))
            return (.wordPiece(model), vocabulary)
        }
    }

    /// Old files do not tell the type; what else they tell decides.
    private static func modelType(_ json: JSON) throws(Problem) -> String {
        if json["type"] != nil { return try type(of: json, among: ["BPE", "Unigram", "WordLevel", "WordPiece"]) }
        if json["merges"] != nil { return "BPE" }
        if json["vocab"]?.array != nil { return "Unigram" }
        guard json["vocab"]?.members != nil else { throw Problem("has no \"vocab\"") }
        return json["max_input_chars_per_word"] == nil ? "WordLevel" : "WordPiece"
    }

    private static func vocabulary(_ json: JSON) throws(Problem) -> Vocabulary {
        guard let members = json["vocab"]?.members else { throw Problem("has no object \"vocab\"") }
        var vocabulary = Vocabulary(capacity: members.count)
        for member in members { vocabulary.insert(member.key, id: try id(member.value, of: member.key)) }
        return vocabulary
    }

    private static func unknownID(_ token: String, _ vocabulary: Vocabulary) throws(Problem) -> Int32 {
        guard let id = vocabulary.id(of: token) else { throw Problem("\"unk_token\" \"\(token)\" is not in \"vocab\"") }
        return id
    }

    // MARK: BPE

    private static func bytePairs(
        _ json: JSON, _ added: [AddedTokens.Token]
    ) throws(Problem) -> (TokenModel, Vocabulary) {
        if let dropout = json["dropout"], !dropout.isNull {
            switch dropout {
            case .integer(0), .number(0): break
            default: throw Problem("\"dropout\" makes tokens random, which is not supported; supported: null")
            }
        }
        let vocabulary = try vocabulary(json)
        var options = BytePairEncoding.Options()
        if let unknown = try optionalString(json, "unk_token"), !unknown.isEmpty {
            if let token = added.first(where: { $0.content.utf8.elementsEqual(unknown.utf8) }) {
                options.unknownID = token.id
            } else {
                options.unknownID = try unknownID(unknown, vocabulary)
            }
        }
        options.fusesUnknown = try bool(json, "fuse_unk", absent: false)
        options.fallsBackToBytes = try bool(json, "byte_fallback", absent: false)
        options.ignoresMerges = try bool(json, "ignore_merges", absent: false)
        options.continuingPrefix = Array((try optionalString(json, "continuing_subword_prefix") ?? "").utf8)
        options.endSuffix = Array((try optionalString(json, "end_of_word_suffix") ?? "").utf8)
        let pairs = try pairs(json, vocabulary, prefixCount: options.continuingPrefix.count)
        return (.bytePairs(BytePairEncoding(vocabulary, pairs: pairs, options: options)), vocabulary)
    }

    /// Merges as `"a b"` or as `["a", "b"]`.
    private static func pairs(
        _ json: JSON, _ vocabulary: Vocabulary, prefixCount: Int
    ) throws(Problem) -> PairTable {
        guard let items = json["merges"]?.array else { throw Problem("has no list \"merges\"") }
        var pairs = PairTable(capacity: items.count)
        for (rank, item) in items.enumerated() {
            if item.string?.hasPrefix("#version") == true { continue }
            let (left, right) = try parts(of: item, rank)
            let merged = left.utf8 + Array(right.utf8.dropFirst(prefixCount))
            guard let leftID = vocabulary.id(of: left), let rightID = vocabulary.id(of: right),
                let mergedID = merged.withUnsafeBufferPointer({ vocabulary.id(of: $0) })
            else {
                throw Problem(
                    "merge \(rank) joins \"\(left)\" and \"\(right)\"; they, or what they become, are not in \"vocab\"")
            }
            pairs.insert(leftID, rightID, .init(rank: Int32(rank), id: mergedID))
        }
        return pairs
    }

    private static func parts(of merge: JSON, _ rank: Int) throws(Problem) -> (String, String) {
        if let text = merge.string {
            let parts = text.unicodeScalars.split(separator: " ", omittingEmptySubsequences: false)
            if parts.count == 2 { return (String(parts[0]), String(parts[1])) }
        } else if let pair = merge.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
            return (left, right)
        }
        throw Problem("merge \(rank) is neither \"a b\" nor [\"a\", \"b\"]")
    }

    // MARK: Unigram

    private static func unigram(_ json: JSON) throws(Problem) -> (TokenModel, Vocabulary) {
        guard let items = json["vocab"]?.array else { throw Problem("has no list \"vocab\"") }
        var vocabulary = Vocabulary(capacity: items.count)
        var scores: [Double] = []
        scores.reserveCapacity(items.count)
        for (id, item) in items.enumerated() {
            guard let pair = item.array, pair.count == 2, let piece = pair[0].string else {
                throw Problem("entry \(id) of \"vocab\" is not a piece and its score")
            }
            switch pair[1] {
            case .integer(let score): scores.append(Double(score))
            case .number(let score): scores.append(score)
            default: throw Problem("the score of \"\(piece)\" is not a number")
            }
            vocabulary.insert(piece, id: Int32(id))
        }
        guard let unknown = json["unk_id"]?.integer else {
            throw Problem("\"unk_id\" is not a whole number; without it, unknown characters have no token")
        }
        guard scores.indices.contains(unknown) else {
            throw Problem("\"unk_id\" \(unknown) is outside the \(scores.count) pieces of \"vocab\"")
        }
        let model = Unigram(
            vocabulary, scores: scores, unknownID: Int32(unknown),
            fallsBackToBytes: try bool(json, "byte_fallback", absent: false))
        return (.unigram(model), vocabulary)
    }
}
