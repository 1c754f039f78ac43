import Foundation

/// A number of bytes as people write it: `800MB`, `1.5 GiB`, `1000000`.
public struct ByteCount: Sendable, Hashable, Codable {
    public var bytes: Int

    public init(_ bytes: Int) { self.bytes = bytes }

    private static let units: [String: Double] = [
        "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
        "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40,
    ]

    /// `nil` if the text is no positive number with a unit of bytes.
    public init?(parsing text: String) {
        let trimmed = text.trimmingCharacters(in: .whitespaces)
        let digits = trimmed.prefix { $0.isNumber || $0 == "." }
        let unit = trimmed.dropFirst(digits.count).trimmingCharacters(in: .whitespaces).lowercased()
        guard let number = Double(digits), let factor = Self.units[unit], number * factor >= 1, number * factor < 0x1p62
        else { return nil }
        self.init(Int(number * factor))
    }
}

/// `12.3 MB`, `850 kB`.
extension ByteCount: CustomStringConvertible {
    public var description: String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        if unit == 0 { return "\(bytes) B" }
        return String(format: value < 9.995 ? "%.2f %@" : value < 99.95 ? "%.1f %@" : "%.0f %@", value, units[unit])
    }
}
