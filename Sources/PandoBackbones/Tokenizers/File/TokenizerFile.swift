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
        guard json["model"] != nil else {
            throw TokenizerError(
                path: path, problems: ["model: is missing; this is \(json.kind), but no tokenizer.json"])
        }
    }

    /// What is wrong with one part of the file.
    struct Problem: Error {
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
        let normalizers = part("normalizer", Self.normalizers)
        let preTokenizers = part("pre_tokenizer", Self.preTokenizers)
        let added = part("added_tokens", Self.addedTokens)
        let model = part("model") { json throws(Problem) in try Self.model(json, added ?? []) }
        let template = part("post_processor", Self.template)
        let decoders = part("decoder", Self.decoders)
        let truncation = part("truncation") { json throws(Problem) in
            try Self.truncation(json, reserved: template?.addedCount(isPair: false) ?? 0)
        }
        let padding = part("padding", Self.padding)
        if let added, let model { problems += Self.conflicts(added, model.vocabulary) }
        guard problems.isEmpty, let normalizers, let preTokenizers, let added, let model, let template, let decoders,
            let truncation, let padding
        else { throw TokenizerError(path: path, problems: problems) }
        return Tokenizer(
            truncation: truncation, padding: padding, addedTokens: AddedTokens(added, normalizers: normalizers),
            normalizers: normalizers, preTokenizers: preTokenizers, model: model.model, vocabulary: model.vocabulary,
            template: template, decoders: decoders)
    }
}

extension TokenizerFile {
    /// Where added tokens and the model's vocabulary contradict each other.
    private static func conflicts(_ added: [AddedTokens.Token], _ vocabulary: Vocabulary) -> [String] {
        added.compactMap { token in
            if let known = vocabulary.id(of: token.content) {
                if known == token.id { return nil }
                return "added_tokens: \(token.content) has number \(token.id) here "
                    + "and \(known) in the model's \"vocab\""
            }
            guard let other = vocabulary.spelling(of: token.id) else { return nil }
            return "added_tokens: \(token.content) has number \(token.id), "
                + "which is \(String(decoding: other, as: UTF8.self)) in the model's \"vocab\""
        }
    }
}

// MARK: Values

extension TokenizerFile {
    /// The type of a part, one of those that are known.
    static func type(of json: JSON, among known: [String]) throws(Problem) -> String {
        guard let type = json["type"]?.string else { throw Problem("has no \"type\"") }
        guard known.contains(type) else {
            throw Problem("type \(type) is not supported; supported: \(known.joined(separator: ", "))")
        }
        return type
    }

    /// A part that may be a sequence of others, as a list; nothing is an empty one.
    static func flattened(_ json: JSON?, _ name: String) throws(Problem) -> [JSON] {
        guard let json else { return [] }
        guard json["type"]?.string == "Sequence" else { return [json] }
        guard let items = json[name]?.array else { throw Problem("has no list \"\(name)\"") }
        var result: [JSON] = []
        for item in items { result += try flattened(item, name) }
        return result
    }

    static func bool(_ json: JSON, _ name: String) throws(Problem) -> Bool {
        guard let value = json[name]?.bool else { throw Problem("\"\(name)\" is not true or false") }
        return value
    }

    /// A value that may be absent or null.
    static func bool(_ json: JSON, _ name: String, absent: Bool) throws(Problem) -> Bool {
        guard let value = json[name], !value.isNull else { return absent }
        return try bool(json, name)
    }

    static func string(_ json: JSON, _ name: String) throws(Problem) -> String {
        guard let value = json[name]?.string else { throw Problem("\"\(name)\" is not a string") }
        return value
    }

    /// A string that may be absent or null.
    static func optionalString(_ json: JSON, _ name: String) throws(Problem) -> String? {
        guard let value = json[name], !value.isNull else { return nil }
        return try string(json, name)
    }

    /// A string of one character.
    static func character(_ json: JSON, _ name: String) throws(Problem) -> UInt32 {
        let scalars = Array(try string(json, name).unicodeScalars)
        guard scalars.count == 1 else { throw Problem("\"\(name)\" is not one character") }
        return scalars[0].value
    }

    static func count(_ json: JSON, _ name: String) throws(Problem) -> Int {
        guard let value = json[name]?.integer, (0...Int(Int32.max)).contains(value) else {
            throw Problem("\"\(name)\" is not a whole number from 0 to \(Int32.max)")
        }
        return value
    }

    static func id(_ json: JSON?, of token: String) throws(Problem) -> Int32 {
        guard let value = json?.integer, (0...Int(Int32.max) - 1).contains(value) else {
            throw Problem("the number of \(token) is not a whole number from 0 to \(Int32.max - 1)")
        }
        return Int32(value)
    }

    /// `{"String": …}` or `{"Regex": …}` under `pattern`.
    static func pattern(_ json: JSON) throws(Problem) -> TextPattern {
        if let literal = json["pattern"]?["String"]?.string {
            guard !literal.isEmpty else { throw Problem("\"pattern\" is empty") }
            return .literal(Array(literal.utf8))
        }
        guard let expression = json["pattern"]?["Regex"]?.string else {
            throw Problem("\"pattern\" is neither a String nor a Regex")
        }
        guard !expression.isEmpty else { throw Problem("\"pattern\" is empty") }
        do { return try TextPattern(expression: expression) } catch { throw Problem(error.reason) }
    }

    static func choice<Value: RawRepresentable & CaseIterable>(
        _ json: JSON, _ name: String, absent: Value? = nil
    ) throws(Problem) -> Value where Value.RawValue == String {
        if json[name] == nil, let absent { return absent }
        let text = try string(json, name)
        guard let value = Value(rawValue: text) else {
            let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem("\"\(name)\" is \(text); expected one of \(known)")
        }
        return value
    }
}
