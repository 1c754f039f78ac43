import Foundation
import PandoTensor

/// A `tokenizer.json`, taken apart.
///
/// Parts that this program has no equal for are refused by their names: a tokenizer that does almost the same would
/// give a backbone wrong numbers, silently.
struct TokenizerFile {
    private let path: String
    private let json: JSON

    init(_ url: URL) throws(TokenizerError) {
        path = url.path
        let file: MappedFile
        do { file = try MappedFile(url) } catch { throw TokenizerError(path: path, problems: [error.description]) }
        do { json = try JSON(parsing: file.bytes) } catch {
            throw TokenizerError(path: path, problems: ["not valid JSON: \(error)"])
        }
    }

    /// What is wrong with one part of the file.
    private struct Problem: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    func tokenizer() throws(TokenizerError) -> Tokenizer {
        var problems: [String] = []
        func part<Value>(_ name: String, _ read: (JSON?) throws(Problem) -> Value) -> Value? {
            let json = json[name]
            do throws(Problem) { return try read(json?.isNull == true ? nil : json) } catch {
                problems.append("\(name): \(error.text)")
                return nil
            }
        }
        let normalizer = part("normalizer", Self.normalizer)
        let splitsWords = part("pre_tokenizer", Self.splitsWords)
        let model = part("model", Self.model)
        let template = part("post_processor") { json throws(Problem) in try Self.template(json, model) }
        let truncation = part("truncation") { json throws(Problem) in
            try Self.truncation(json, reserved: template?.addedCount ?? 0)
        }
        let padding = part("padding", Self.padding)
        let added = part("added_tokens") { json throws(Problem) in
            AddedTokens(try Self.addedTokens(json, model), normalizer: normalizer ?? nil)
        }
        guard problems.isEmpty, let normalizer, let splitsWords, let model, let template, let truncation, let padding,
            let added
        else { throw TokenizerError(path: path, problems: problems) }
        return Tokenizer(
            truncation: truncation, padding: padding, addedTokens: added, normalizer: normalizer,
            splitsWords: splitsWords, model: model, template: template)
    }

    // MARK: Parts

    private static func normalizer(_ json: JSON?) throws(Problem) -> BertNormalizer? {
        guard let json else { return nil }
        try require(json, is: "BertNormalizer")
        let lowercases = try bool(json, "lowercase")
        var stripsAccents = lowercases
        if let strip = json["strip_accents"], !strip.isNull { stripsAccents = try bool(json, "strip_accents") }
        return BertNormalizer(
            cleansText: try bool(json, "clean_text"), separatesIdeographs: try bool(json, "handle_chinese_chars"),
            stripsAccents: stripsAccents, lowercases: lowercases)
    }

    private static func splitsWords(_ json: JSON?) throws(Problem) -> Bool {
        guard let json else { return false }
        try require(json, is: "BertPreTokenizer")
        return true
    }

    private static func model(_ json: JSON?) throws(Problem) -> WordPiece {
        guard let json else { throw Problem("is missing") }
        try require(json, is: "WordPiece")
        guard let members = json["vocab"]?.members else { throw Problem("has no object \"vocab\"") }
        let unknown = try string(json, "unk_token")
        var vocabulary: [(token: String, id: Int32)] = []
        vocabulary.reserveCapacity(members.count)
        var unknownID: Int32?
        for member in members {
            let id = try Self.id(member.value, of: member.key)
            vocabulary.append((member.key, id))
            if member.key.utf8.elementsEqual(unknown.utf8) { unknownID = id }
        }
        guard let unknownID else { throw Problem("\"unk_token\" \"\(unknown)\" is not in \"vocab\"") }
        return WordPiece(
            vocabulary: vocabulary, unknownID: unknownID,
            continuingPrefix: try string(json, "continuing_subword_prefix"),
            longestWord: try count(json, "max_input_chars_per_word"))
    }

    private static func template(_ json: JSON?, _ model: WordPiece?) throws(Problem) -> TokenTemplate {
        guard let json else { return TokenTemplate(parts: [.text(typeID: 0)]) }
        if json["type"]?.string == "BertProcessing" {
            let (first, last) = (try pairedID(json, "cls"), try pairedID(json, "sep"))
            return TokenTemplate(
                parts: [.tokens([first], typeID: 0), .text(typeID: 0), .tokens([last], typeID: 0)])
        }
        try require(json, is: "TemplateProcessing", or: "BertProcessing")
        guard let items = json["single"]?.array else { throw Problem("has no list \"single\"") }
        var parts: [TokenTemplate.Part] = []
        for item in items {
            if let sequence = item["Sequence"] {
                guard sequence["id"]?.string == "A" else { throw Problem("\"single\" has a sequence other than A") }
                parts.append(.text(typeID: Int32(truncatingIfNeeded: try count(sequence, "type_id"))))
            } else if let special = item["SpecialToken"] {
                let name = try string(special, "id")
                guard let ids = json["special_tokens"]?[name]?["ids"]?.array else {
                    throw Problem("\"special_tokens\" does not tell the numbers of \(name)")
                }
                var numbers: [Int32] = []
                for id in ids { numbers.append(try Self.id(id, of: name)) }
                parts.append(.tokens(numbers, typeID: Int32(truncatingIfNeeded: try count(special, "type_id"))))
            } else {
                throw Problem("\"single\" has a part that is neither a Sequence nor a SpecialToken")
            }
        }
        return TokenTemplate(parts: parts)
    }

    private static func truncation(_ json: JSON?, reserved: Int) throws(Problem) -> Tokenizer.Truncation? {
        guard let json else { return nil }
        let strategy = try string(json, "strategy")
        guard strategy == "LongestFirst" || strategy == "OnlyFirst" else {
            throw Problem("strategy \(strategy) has no meaning for single texts; supported: LongestFirst, OnlyFirst")
        }
        let length = try count(json, "max_length")
        guard length >= reserved else {
            throw Problem("\"max_length\" \(length) has no room for the \(reserved) special tokens")
        }
        return Tokenizer.Truncation(length: length, side: try side(json))
    }

    private static func padding(_ json: JSON?) throws(Problem) -> Tokenizer.Padding? {
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

    private static func addedTokens(_ json: JSON?, _ model: WordPiece?) throws(Problem) -> [AddedTokens.Token] {
        guard let items = json?.array else {
            guard json == nil else { throw Problem("is not a list") }
            return []
        }
        var tokens: [AddedTokens.Token] = []
        for item in items {
            let content = try string(item, "content")
            let id = try id(item["id"], of: content)
            guard !content.isEmpty else { throw Problem("token \(id) has no content") }
            if let known = model?.id(of: content), known != id {
                throw Problem("\(content) has number \(id) here and \(known) in the model's \"vocab\"")
            }
            tokens.append(
                AddedTokens.Token(
                    content: content, id: id, isSingleWord: try bool(item, "single_word"),
                    stripsLeft: try bool(item, "lstrip"), stripsRight: try bool(item, "rstrip"),
                    isNormalized: try bool(item, "normalized")))
        }
        return tokens
    }

    // MARK: Values

    private static func require(_ json: JSON, is known: String, or other: String? = nil) throws(Problem) {
        guard let type = json["type"]?.string else { throw Problem("has no \"type\"") }
        guard type == known else {
            throw Problem("type \(type) is not supported; supported: \(known)" + (other.map { ", \($0)" } ?? ""))
        }
    }

    private static func bool(_ json: JSON, _ name: String) throws(Problem) -> Bool {
        guard let value = json[name]?.bool else { throw Problem("\"\(name)\" is not true or false") }
        return value
    }

    private static func string(_ json: JSON, _ name: String) throws(Problem) -> String {
        guard let value = json[name]?.string else { throw Problem("\"\(name)\" is not a string") }
        return value
    }

    private static func count(_ json: JSON, _ name: String) throws(Problem) -> Int {
        guard let value = json[name]?.integer, (0...Int(Int32.max)).contains(value) else {
            throw Problem("\"\(name)\" is not a whole number from 0 to \(Int32.max)")
        }
        return value
    }

    private static func id(_ json: JSON?, of token: String) throws(Problem) -> Int32 {
        guard let value = json?.integer, (0...Int(Int32.max) - 1).contains(value) else {
            throw Problem("the number of \(token) is not a whole number from 0 to \(Int32.max - 1)")
        }
        return Int32(value)
    }

    /// `["[CLS]", 101]`: a token and its number.
    private static func pairedID(_ json: JSON, _ name: String) throws(Problem) -> Int32 {
        guard let pair = json[name]?.array, pair.count == 2 else {
            throw Problem("\"\(name)\" is not a token and its number")
        }
        return try id(pair[1], of: name)
    }

    private static func side(_ json: JSON) throws(Problem) -> Tokenizer.Side {
        switch json["direction"]?.string {
        case "Right", nil: return .right
        case "Left": return .left
        case let other?: throw Problem("direction \(other) is neither Left nor Right")
        }
    }
}
