import PandoTensor

/// What is done to tokens: added ones, what stands around a text, truncation, padding.
extension TokenizerFile {
    static func addedTokens(_ json: JSON?) throws(Problem) -> [AddedTokens.Token] {
        guard let items = json?.array else {
            guard json == nil else { throw Problem("is not a list") }
            return []
        }
        var tokens: [AddedTokens.Token] = []
        for item in items {
            let content = try string(item, "content")
            let id = try id(item["id"], of: content)
            guard !content.isEmpty else { throw Problem("token \(id) has no content") }
            tokens.append(
                AddedTokens.Token(
                    content: content, id: id, isSingleWord: try bool(item, "single_word"),
                    stripsLeft: try bool(item, "lstrip"), stripsRight: try bool(item, "rstrip"),
                    isNormalized: try bool(item, "normalized"), isSpecial: try bool(item, "special", absent: false)))
        }
        return tokens
    }

    // MARK: What stands around

    static func template(_ json: JSON?) throws(Problem) -> TokenTemplate {
        let known = ["BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"]
        var result: TokenTemplate?
        for part in try flattened(json, "processors") {
            let type = try type(of: part, among: known)
            // It moves where tokens are said to stand in the text, which is not told here.
            if type == "ByteLevel" { continue }
            guard result == nil else {
                throw Problem("two parts of the Sequence put tokens around; supported: one, and ByteLevel")
            }
            switch type {
            case "BertProcessing": result = try bertTemplate(part)
            case "RobertaProcessing": result = try robertaTemplate(part)
            default: result = try freeTemplate(part)
            }
        }
        return result ?? .plain
    }

    private static func bertTemplate(_ json: JSON) throws(Problem) -> TokenTemplate {
        let (begin, end) = (try pairedID(json, "cls"), try pairedID(json, "sep"))
        let single: [TokenTemplate.Part] = [
            .tokens([begin], typeID: 0), .first(typeID: 0), .tokens([end], typeID: 0),
        ]
        return TokenTemplate(single: single, pair: single + [.second(typeID: 1), .tokens([end], typeID: 1)])
    }

    private static func robertaTemplate(_ json: JSON) throws(Problem) -> TokenTemplate {
        let (begin, end) = (try pairedID(json, "cls"), try pairedID(json, "sep"))
        let single: [TokenTemplate.Part] = [
            .tokens([begin], typeID: 0), .first(typeID: 0), .tokens([end], typeID: 0),
        ]
        return TokenTemplate(
            single: single,
            pair: single + [.tokens([end], typeID: 0), .second(typeID: 0), .tokens([end], typeID: 0)])
    }

    private static func freeTemplate(_ json: JSON) throws(Problem) -> TokenTemplate {
        let single = try templateParts(json, "single")
        let pair = json["pair"] == nil ? TokenTemplate.plain.pair : try templateParts(json, "pair")
        for part in single {
            if case .second = part { throw Problem("\"single\" has a sequence other than A") }
        }
        return TokenTemplate(single: single, pair: pair)
    }

    private static func templateParts(_ json: JSON, _ name: String) throws(Problem) -> [TokenTemplate.Part] {
        guard let items = json[name]?.array else { throw Problem("has no list \"\(name)\"") }
        var parts: [TokenTemplate.Part] = []
        for item in items {
            if let sequence = item["Sequence"] {
                let type = Int32(truncatingIfNeeded: try count(sequence, "type_id"))
                switch sequence["id"]?.string {
                case "A": parts.append(.first(typeID: type))
                case "B": parts.append(.second(typeID: type))
                default: throw Problem("\"\(name)\" has a sequence other than A and B")
                }
            } else if let special = item["SpecialToken"] {
                let token = try string(special, "id")
                guard let ids = json["special_tokens"]?[token]?["ids"]?.array else {
                    throw Problem("\"special_tokens\" does not tell the numbers of \(token)")
                }
                var numbers: [Int32] = []
                for id in ids { numbers.append(try Self.id(id, of: token)) }
                parts.append(.tokens(numbers, typeID: Int32(truncatingIfNeeded: try count(special, "type_id"))))
            } else {
                throw Problem("\"\(name)\" has a part that is neither a Sequence nor a SpecialToken")
            }
        }
        return parts
    }

    /// `["[CLS]", 101]`: a token and its number.
    private static func pairedID(_ json: JSON, _ name: String) throws(Problem) -> Int32 {
        guard let pair = json[name]?.array, pair.count == 2 else {
            throw Problem("\"\(name)\" is not a token and its number")
        }
        return try id(pair[1], of: name)
    }

    // MARK: Length

    static func truncation(_ json: JSON?, reserved: Int) throws(Problem) -> Tokenizer.Truncation? {
        guard let json else { return nil }
        let strategy: Tokenizer.Truncation.Strategy
        switch try string(json, "strategy") {
        case "LongestFirst": strategy = .longestFirst
        case "OnlyFirst": strategy = .onlyFirst
        case let other:
            throw Problem("strategy \(other) has no meaning for single texts; supported: LongestFirst, OnlyFirst")
        }
        let length = try count(json, "max_length")
        guard length >= reserved else {
            throw Problem("\"max_length\" \(length) has no room for the \(reserved) special tokens")
        }
        return Tokenizer.Truncation(length: length, side: try side(json), strategy: strategy)
    }

    static func padding(_ json: JSON?) throws(Problem) -> Tokenizer.Padding? {
        guard let json else { return nil }
        let length: Tokenizer.Padding.Length
        if json["strategy"]?.string == "BatchLongest" {
            length = .longest
        } else if let strategy = json["strategy"], strategy["Fixed"] != nil {
            length = .fixed(try count(strategy, "Fixed"))
        } else {
            throw Problem("\"strategy\" is neither BatchLongest nor Fixed")
        }
        var multiple = 1
        if let json = json["pad_to_multiple_of"], !json.isNull {
            guard let value = json.integer, (0...1 << 20).contains(value) else {
                throw Problem("\"pad_to_multiple_of\" is not a small whole number")
            }
            multiple = max(value, 1)
        }
        return Tokenizer.Padding(
            length, multiple: multiple, side: try side(json), id: try id(json["pad_id"], of: "padding"),
            typeID: try id(json["pad_type_id"], of: "the padding's type"))
    }

    private static func side(_ json: JSON) throws(Problem) -> Tokenizer.Side {
        switch json["direction"]?.string {
        case "Right", nil: return .right
        case "Left": return .left
        case let other?: throw Problem("direction \(other) is neither Left nor Right")
        }
    }
}
