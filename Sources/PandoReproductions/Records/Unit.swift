import Foundation
import PandoTraining

/// What a number counts, and so how it is written.
public enum Unit: String, Sendable, Hashable, Codable {
    /// A share of 1, written in hundredths.
    case percent
    /// A difference of shares, written in hundredths.
    case points
    case count, bytes, seconds
    /// How many times as much.
    case ratio
    case number

    /// `74.8 %`, `3.1 points`, `12.3 MB`.
    public func text(_ value: Double) -> String {
        guard value.isFinite else { return "no number" }
        return switch self {
        case .percent: String(format: "%.1f %%", 100 * value)
        case .points: String(format: "%.1f points", 100 * value)
        case .count: Self.grouped(value)
        case .bytes: "\(ByteCount(Int(value)))"
        case .seconds: String(format: value < 9.95 ? "%.1f s" : "%.0f s", value)
        case .ratio: String(format: "%.2f times", value)
        case .number: String(format: "%.3f", value)
        }
    }

    /// The mean, and for what varies by chance the deviation: `74.8 ± 0.4 %`.
    public func text(_ sample: Sample) -> String {
        guard sample.values.count > 1, sample.mean.isFinite else { return text(sample.mean) }
        return switch self {
        case .percent: String(format: "%.1f ± %.1f %%", 100 * sample.mean, 100 * sample.deviation)
        case .points: String(format: "%.1f ± %.1f points", 100 * sample.mean, 100 * sample.deviation)
        case .ratio: String(format: "%.2f ± %.2f times", sample.mean, sample.deviation)
        case .number: String(format: "%.3f ± %.3f", sample.mean, sample.deviation)
        case .count, .bytes, .seconds: text(sample.mean)
        }
    }

    /// `73,728`.
    private static func grouped(_ value: Double) -> String {
        let digits = String(Int(value.rounded()))
        let groups = stride(from: digits.count, to: 0, by: -3).map { end in
            digits.dropLast(digits.count - end).suffix(3)
        }
        return groups.reversed().joined(separator: ",")
    }
}
