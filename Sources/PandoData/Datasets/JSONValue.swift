/// Any JSON value.
enum JSONValue: Decodable, Sendable, Hashable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let string = Self.attempt({ try value.decode(String.self) }) {
            self = .string(string)
        } else if let number = Self.attempt({ try value.decode(Double.self) }) {
            self = .number(number)
        } else if let bool = Self.attempt({ try value.decode(Bool.self) }) {
            self = .bool(bool)
        } else if let array = Self.attempt({ try value.decode([JSONValue].self) }) {
            self = .array(array)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    /// What `decode` gives, or nil when the value is of another type: the next type is tried then.
    private static func attempt<Value>(_ decode: () throws -> Value) -> Value? {
        do { return try decode() } catch { return nil }
    }

    /// The type, with its article.
    var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "a truth value"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The value where it is short, else its type.
    var shortDescription: String {
        switch self {
        case .number(let number): "\(number)"
        case .bool(let bool): "\(bool)"
        case .string(let text): "`\(text.prefix(60))`"
        case .null, .array, .object: typeName
        }
    }
}
