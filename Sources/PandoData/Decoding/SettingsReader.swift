import Foundation
import PandoTensor

/// Reads the keys of one JSON object, and notes what is not as expected. `null` counts as absent.
struct SettingsReader {
    let object: JSON
    var problems: [String] = []

    /// - Throws: `PreprocessingError` if the file cannot be read or is no JSON object.
    init(_ url: URL) throws(PreprocessingError) {
        do {
            let data = try Data(contentsOf: url)
            object = try data.withUnsafeBytes { try JSON(parsing: $0) }
        } catch let error as JSON.ParseError {
            throw PreprocessingError(file: url.path, problems: [error.description])
        } catch {
            throw PreprocessingError(file: url.path, problems: [error.localizedDescription])
        }
        if object.members == nil {
            throw PreprocessingError(file: url.path, problems: ["expected an object, found \(object.kind)"])
        }
    }

    init(_ object: JSON) { self.object = object }

    func value(_ key: String) -> JSON? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    mutating func bool(_ key: String) -> Bool? { read(key, "true or false") { $0.bool } }

    mutating func string(_ key: String) -> String? { read(key, "a string") { $0.string } }

    mutating func integer(_ key: String) -> Int? { read(key, "a whole number") { $0.integer } }

    mutating func number(_ key: String) -> Double? { read(key, "a number") { $0.double } }

    /// A number of pixels.
    static func side(_ value: JSON?) -> Int? { value?.integer.flatMap { (1...16384).contains($0) ? $0 : nil } }

    /// Three numbers, or one for all channels.
    mutating func channels(_ key: String) -> [Double]? {
        let channels = read(key, "3 numbers, or one for all channels") { value -> [Double]? in
            if let number = value.double { return [number, number, number] }
            let numbers = value.array?.compactMap(\.double) ?? []
            return numbers.count == value.array?.count && numbers.count == 3 ? numbers : nil
        }
        return channels
    }

    private mutating func read<Value>(_ key: String, _ expected: String, _ convert: (JSON) -> Value?) -> Value? {
        guard let value = value(key) else { return nil }
        if let converted = convert(value) { return converted }
        let found = value.array.map { "a list of \($0.count)" } ?? value.kind
        problems.append("`\(key)`: expected \(expected), found \(found)")
        return nil
    }
}

extension JSON {
    /// A finite number, whole or not.
    var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value) where value.isFinite: value
        default: nil
        }
    }
}
