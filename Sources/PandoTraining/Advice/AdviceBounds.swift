import Foundation

/// What an adapter may take: nothing in it is a bound on what is left out.
public struct AdviceBounds: Sendable, Hashable, Encodable {
    /// The process's memory while it trains.
    public var memory: ByteCount?
    public var parameters: ParameterBound?

    public init(memory: ByteCount? = nil, parameters: ParameterBound? = nil) {
        (self.memory, self.parameters) = (memory, parameters)
    }

    public var isEmpty: Bool { memory == nil && parameters == nil }

    /// How far a trial goes to its tightest bound: 1 is just within; 0 without bounds.
    func strain(of trial: TriedAdapter, backboneParameters: Int) -> Double {
        let memory = memory.map { Double(trial.processBytes) / Double($0.bytes) } ?? 0
        let parameters = parameters.map { Double(trial.adapterParameters) / max($0.count(of: backboneParameters), 0.5) } ?? 0
        return max(memory, parameters)
    }
}

/// How many parameters an adapter may have: `1%` of the backbone's, or `300k` of them.
public enum ParameterBound: Sendable, Hashable {
    case share(Double)
    case count(Int)

    private static let units: [Character: Double] = ["k": 1e3, "m": 1e6, "g": 1e9]

    /// `nil` if the text is no share from 0 to 100 % and no count.
    public init?(parsing text: String) {
        let trimmed = text.trimmingCharacters(in: .whitespaces).lowercased()
        let digits = String(trimmed.prefix { $0.isNumber || $0 == "." })
        let unit = trimmed.dropFirst(digits.count).trimmingCharacters(in: .whitespaces)
        guard let number = Double(digits) else { return nil }
        if unit == "%" {
            guard number <= 100 else { return nil }
            self = .share(number / 100)
            return
        }
        guard unit.count <= 1, let factor = unit.first.map({ Self.units[$0] }) ?? 1, number * factor < 0x1p62
        else { return nil }
        self = .count(Int(number * factor))
    }

    /// Parameters, where the backbone has so many.
    func count(of backbone: Int) -> Double {
        switch self {
        case .share(let share): share * Double(backbone)
        case .count(let count): Double(count)
        }
    }
}

extension ParameterBound: CustomStringConvertible, Encodable {
    public var description: String {
        switch self {
        case .share(let share): String(format: "%g%%", share * 100)
        case .count(let count): "\(count)"
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
