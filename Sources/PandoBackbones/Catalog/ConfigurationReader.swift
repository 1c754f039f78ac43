import Foundation
import PandoTensor

/// Reads a `config.json` field by field and collects what is wrong, so that all of it is told at once.
///
/// Numbers are checked against the range that a network can have before anything is built of them.
public struct ConfigurationReader {
    /// The file, for messages.
    public let source: String
    /// Where in the file the fields lie: empty, or `vision_config.`.
    private let place: String
    private let json: JSON
    public private(set) var problems: [String] = []

    /// - Throws: `BackboneError` if the file cannot be read or is no JSON object.
    public init(_ url: URL) throws(BackboneError) {
        source = url.path
        place = ""
        let file: MappedFile
        do { file = try MappedFile(url) } catch {
            throw BackboneError(url.path, "cannot be read: \(String(cString: strerror(error.code)))")
        }
        do { json = try JSON(parsing: file.bytes) } catch { throw BackboneError(url.path, "not valid JSON: \(error)") }
        guard json.members != nil else { throw BackboneError(url.path, "expected an object, found \(json.kind)") }
    }

    private init(source: String, place: String, json: JSON) {
        (self.source, self.place, self.json) = (source, place, json)
    }

    /// The fields under `key`, read on their own; give them back with `take`.
    public mutating func section(_ key: String) -> ConfigurationReader? {
        guard let value = value(key) else { return nil }
        guard value.members != nil else {
            expected("an object", key, value)
            return nil
        }
        return ConfigurationReader(source: source, place: place + key + ".", json: value)
    }

    /// The fields under `key`, which have to be there.
    mutating func requiredSection(_ key: String) -> ConfigurationReader {
        if !has(key) { problem(key, "is missing") }
        return section(key) ?? ConfigurationReader(source: source, place: place + key + ".", json: .object([]))
    }

    /// Adds the problems of a section.
    public mutating func take(_ section: ConfigurationReader) { problems += section.problems }

    public func has(_ key: String) -> Bool { value(key) != nil }

    /// - Parameter fallback: for a file without the field; without one, the field must be there.
    public mutating func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) -> Int {
        guard let value = value(key) else { return missing(key, fallback) ?? range.lowerBound }
        guard let number = value.integer, range.contains(number) else {
            expected("a whole number of \(range.lowerBound)...\(range.upperBound)", key, value)
            return range.lowerBound
        }
        return number
    }

    /// A whole number that may be absent or null.
    public mutating func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
        has(key) ? integer(key, in: range) : nil
    }

    public mutating func integers(_ key: String, count: Int? = nil, in range: ClosedRange<Int>, default fallback: [Int]? = nil)
        -> [Int]
    {
        guard let value = value(key) else { return missing(key, fallback) ?? [] }
        let numbers = value.array?.compactMap(\.integer) ?? []
        guard let array = value.array, numbers.count == array.count, numbers.count <= 1024,
            count.map({ $0 == numbers.count }) ?? true, numbers.allSatisfy(range.contains)
        else {
            let length = count.map { "\($0) " } ?? ""
            expected("a list of \(length)whole numbers of \(range.lowerBound)...\(range.upperBound)", key, value)
            return []
        }
        return numbers
    }

    /// The side of a square: one number, or two that are the same.
    public mutating func side(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) -> Int {
        guard let sides = value(key)?.array else { return integer(key, in: range, default: fallback) }
        let numbers = sides.compactMap(\.integer)
        guard numbers.count == 2, numbers.count == sides.count, numbers[0] == numbers[1], range.contains(numbers[0]) else {
            problem(key, "expected the side of a square, a whole number of \(range.lowerBound)...\(range.upperBound)")
            return range.lowerBound
        }
        return numbers[0]
    }

    public mutating func number(_ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil) -> Float {
        Float(real(key, in: range, default: fallback))
    }

    /// A number in the precision in which the file states it, for what is rounded later.
    public mutating func real(_ key: String, in range: ClosedRange<Double>, default fallback: Double? = nil) -> Double {
        guard let value = value(key) else { return missing(key, fallback) ?? range.lowerBound }
        let number: Double? =
            switch value {
            case .integer(let number): Double(number)
            case .number(let number): number
            default: nil
            }
        guard let number, range.contains(number) else {
            expected("a number of \(range.lowerBound)...\(range.upperBound)", key, value)
            return range.lowerBound
        }
        return number
    }

    public mutating func flag(_ key: String, default fallback: Bool? = nil) -> Bool {
        guard let value = value(key) else { return missing(key, fallback) ?? false }
        guard let flag = value.bool else {
            expected("true or false", key, value)
            return false
        }
        return flag
    }

    public mutating func text(_ key: String, default fallback: String? = nil) -> String {
        guard let value = value(key) else { return missing(key, fallback) ?? "" }
        guard let text = value.string else {
            expected("a string", key, value)
            return ""
        }
        return text
    }

    /// The activation that the file calls as `torch.nn.functional` or Hugging Face do.
    public mutating func activation(_ key: String, default fallback: String) -> NamedActivation {
        let name = text(key, default: fallback)
        if let activation = NamedActivation(rawValue: name) { return activation }
        problem(key, "unknown activation '\(name)'; known are \(NamedActivation.allCases.map(\.rawValue).joined(separator: ", "))")
        return .relu
    }

    /// Refuses a field whose value would change the arithmetic in a way that is not implemented here.
    public mutating func require(_ key: String, isFalse reason: String) {
        if flag(key, default: false) { problem(key, "is true, which is not implemented: \(reason)") }
    }

    // MARK: Fields that may be absent, and whole files

    /// The fields that are there, in their order.
    package var keys: [String] { json.members?.map(\.key) ?? [] }

    /// Whether a field says that it is not used: null, false, or empty.
    package func isUnused(_ key: String) -> Bool {
        guard let value = value(key) else { return true }
        return value.bool == false || value.array?.isEmpty == true || value.members?.isEmpty == true
    }

    /// A text that may be absent or null.
    package mutating func optionalText(_ key: String) -> String? { has(key) ? text(key) : nil }

    /// The text, if the field holds one; whatever else it holds is for another reader.
    package func textIfAny(_ key: String) -> String? { value(key)?.string }

    /// A text or a list of texts; `nil` if absent or null.
    package mutating func texts(_ key: String) -> [String]? {
        guard let value = value(key) else { return nil }
        if let text = value.string { return [text] }
        let texts = value.array?.compactMap(\.string)
        guard let texts, texts.count == value.array?.count else {
            expected("a list of strings", key, value)
            return nil
        }
        return texts
    }

    /// A whole number or a list of them; `nil` if absent or null.
    package mutating func wholeNumbers(_ key: String, in range: ClosedRange<Int>) -> [Int]? {
        guard let value = value(key) else { return nil }
        if value.integer != nil { return [integer(key, in: range)] }
        return integers(key, in: range)
    }

    /// An object of numbers; empty if absent or null.
    package mutating func numbers(_ key: String, in range: ClosedRange<Double>) -> [String: Double] {
        guard var section = section(key) else { return [:] }
        var numbers: [String: Double] = [:]
        for name in section.keys { numbers[name] = Double(section.number(name, in: range)) }
        take(section)
        return numbers
    }

    /// Refuses pictures of other channels than red, green and blue.
    public mutating func requireThreeChannels() {
        let channels = integer("num_channels", in: 1...1024, default: 3)
        if channels != 3 { problem("num_channels", "is \(channels); pictures have 3 here") }
    }

    /// Notes that a field cannot be followed.
    public mutating func problem(_ key: String, _ text: String) { problems.append("\(place)\(key): \(text)") }

    /// - Throws: `BackboneError` with every problem, if there is any.
    public func finish() throws(BackboneError) {
        if !problems.isEmpty { throw BackboneError(source, problems) }
    }

    private func value(_ key: String) -> JSON? {
        guard let value = json[key], !value.isNull else { return nil }
        return value
    }

    private mutating func missing<Value>(_ key: String, _ fallback: Value?) -> Value? {
        if fallback == nil { problem(key, "is missing") }
        return fallback
    }

    private mutating func expected(_ what: String, _ key: String, _ found: JSON) {
        let shown =
            switch found {
            case .integer(let number): "\(number)"
            case .number(let number): "\(number)"
            case .string(let text): "'\(text.prefix(60))'"
            default: found.kind
            }
        problem(key, "expected \(what), found \(shown)")
    }
}
