import Foundation

/// How long to measure, and how often.
struct Stopwatch: Sendable {
    /// Of each round, if runs are short.
    var roundSeconds: Double
    var rounds: Int

    static let usual = Stopwatch(roundSeconds: 0.5, rounds: 3)
    static let quick = Stopwatch(roundSeconds: 0.2, rounds: 1)

    static var now: Double { ProcessInfo.processInfo.systemUptime }

    static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let begin = now
        try body()
        return now - begin
    }
}

/// Somebody who does a work, round by round.
protocol Contestant: AnyObject {
    var name: String { get }

    /// Units a second, measured now for about `seconds` after making ready; each figure over long enough for the
    /// clock, and at least one however slow it is.
    func round(seconds: Double) throws -> [Double]
}

/// Pando, in this process.
final class OwnRuns: Contestant {
    let name: String
    private let unitsPerRun: Int
    private let run: () throws -> Void
    /// Seconds a run; nil before the first.
    private var each: Double?

    init(_ name: String = "Pando", unitsPerRun: Int, _ run: @escaping () throws -> Void) {
        (self.name, self.unitsPerRun, self.run) = (name, unitsPerRun, run)
    }

    func round(seconds: Double) throws -> [Double] {
        let each = try each ?? warmedUp(seconds)
        self.each = each
        if each < seconds / 4 { try run() }  // what others did meanwhile is forgotten
        let repeats = 3 * each <= seconds ? 3 : max(1, Int(seconds / each))
        let inner = max(1, Int((seconds / Double(repeats) / each).rounded()))
        return try (0..<repeats).map { _ in
            let elapsed = try Stopwatch.seconds { for _ in 0..<inner { try run() } }
            return Double(unitsPerRun * inner) / elapsed
        }
    }

    private func warmedUp(_ seconds: Double) throws -> Double {
        let first = try Stopwatch.seconds(run)
        if first > 6 * seconds { return first }
        let runs = max(1, Int((seconds / 2 / first).rounded()))
        return try Stopwatch.seconds { for _ in 0..<runs { try run() } } / Double(runs)
    }
}
