import Foundation

/// What a client of the Open Inference Protocol sends, as JSON says it.
///
/// - Source: Open Inference Protocol, version 2, REST; the binary tensor extension.
struct InferenceRequest: Decodable {
    struct Input: Decodable {
        let name: String
        let shape: [Int]
        let datatype: String
        let parameters: [String: Parameter]?
        let data: TensorData?
    }

    struct Output: Decodable {
        let name: String
        let parameters: [String: Parameter]?
    }

    let id: String?
    let parameters: [String: Parameter]?
    let inputs: [Input]
    let outputs: [Output]?
}

/// A parameter's value.
enum Parameter: Decodable {
    case flag(Bool)
    case number(Double)
    case text(String)
    /// A list, an object or nothing: of no use here.
    case other

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else {
            self = .other
        }
    }

    var isTrue: Bool { if case .flag(true) = self { true } else { false } }

    var number: Double? { if case .number(let number) = self { number } else { nil } }
}

/// A tensor's values as JSON writes them, nested or flat.
enum TensorData: Decodable {
    case numbers([Double])
    case texts([String])
    case flags([Bool])

    init(from decoder: any Decoder) throws {
        let whole = try decoder.singleValueContainer()
        // Most tensors are flat, and a flat list of numbers is read at once.
        if let numbers = try? whole.decode([Double].self) {
            self = .numbers(numbers)
        } else if let texts = try? whole.decode([String].self) {
            self = .texts(texts)
        } else if let flags = try? whole.decode([Bool].self) {
            self = .flags(flags)
        } else {
            var (container, parts) = (try decoder.unkeyedContainer(), [TensorData]())
            while !container.isAtEnd { parts.append(try container.decode(TensorData.self)) }
            self = try Self.joined(parts, at: decoder.codingPath)
        }
    }

    private static func joined(_ parts: [TensorData], at path: [any CodingKey]) throws -> TensorData {
        var (numbers, texts, flags) = ([Double](), [String](), [Bool]())
        for part in parts {
            switch part {
            case .numbers(let values): numbers += values
            case .texts(let values): texts += values
            case .flags(let values): flags += values
            }
        }
        let kinds = [!numbers.isEmpty, !texts.isEmpty, !flags.isEmpty].count { $0 }
        guard kinds <= 1 else {
            throw DecodingError.dataCorrupted(.init(codingPath: path, debugDescription: "values of several kinds"))
        }
        return !texts.isEmpty ? .texts(texts) : !flags.isEmpty ? .flags(flags) : .numbers(numbers)
    }

    var count: Int {
        switch self {
        case .numbers(let values): values.count
        case .texts(let values): values.count
        case .flags(let values): values.count
        }
    }
}
