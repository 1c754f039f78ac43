import Foundation

/// The names of a task's classes or labels, by number.
public struct LabelMap: Sendable, Hashable, Codable {
    /// In alphabetical order; a label's number is its place.
    public let names: [String]
    private let numbers: [String: Int]

    /// - Precondition: no name stands twice.
    public init(_ names: [String]) {
        self.names = names
        numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    }

    public var count: Int { names.count }
    public var isEmpty: Bool { names.isEmpty }

    public func number(of name: String) -> Int? { numbers[name] }

    /// In what another map of the same task differs, in words; `nil` if it is the same.
    func contradiction(in other: LabelMap) -> String? {
        func named(_ names: [String]) -> String {
            names.prefix(5).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 5 ? ", … (\(names.count))" : "")
        }
        let added = other.names.filter { number(of: $0) == nil }
        let lost = names.filter { other.number(of: $0) == nil }
        let parts = [added.isEmpty ? nil : "\(named(added)) unknown to it", lost.isEmpty ? nil : "\(named(lost)) missing now"]
            .compactMap(\.self)
        if parts.isEmpty { return names == other.names ? nil : "the same names stand in another order" }
        return parts.joined(separator: ", ")
    }

    /// Encodes as a plain list of names.
    public init(from decoder: any Decoder) throws {
        let names = try decoder.singleValueContainer().decode([String].self)
        guard Set(names).count == names.count else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "a label stands twice in the list"))
        }
        self.init(names)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(names)
    }
}
