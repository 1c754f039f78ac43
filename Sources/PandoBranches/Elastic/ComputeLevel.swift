/// The share of the full cost that a request may spend, above 0 and at most 1.
public struct ComputeLevel: Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
    public let share: Double

    /// All of it.
    public static let whole = ComputeLevel(known: 1)

    /// - Throws: `ComputeError` if `share` is no number above 0 and at most 1.
    public init(_ share: Double) throws(ComputeError) {
        guard share > 0, share <= 1 else {
            let reason = share.isNaN
                ? "it is not a number" : share > 1 ? "the full cost is 1" : "something has to be computed"
            throw ComputeError("a compute level is above 0 and at most 1; \(share) is not: \(reason)")
        }
        self.share = share
    }

    /// A level as it is written, as `0.4` or `40%`.
    /// - Throws: `ComputeError` if it is no such number.
    public init(parsing text: String) throws(ComputeError) {
        let (digits, unit) = text.hasSuffix("%") ? (String(text.dropLast()), 0.01) : (text, 1)
        guard let number = Double(digits) else {
            throw ComputeError("a compute level is a number above 0 and at most 1, as 0.4 or 40%; '\(text)' is none")
        }
        try self.init(number * unit)
    }

    private init(known share: Double) { self.share = share }

    public init(from decoder: any Decoder) throws { try self.init(Double(from: decoder)) }
    public func encode(to encoder: any Encoder) throws { try share.encode(to: encoder) }

    public static func < (left: ComputeLevel, right: ComputeLevel) -> Bool { left.share < right.share }

    public var description: String { share.formatted }
}

/// Why a cost cannot be chosen.
public struct ComputeError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

extension Double {
    /// With as few digits as tell it apart, `1` and not `1.0`.
    fileprivate var formatted: String { self == rounded() ? String(Int(self)) : String(self) }
}
