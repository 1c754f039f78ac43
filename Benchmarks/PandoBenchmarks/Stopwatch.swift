import Foundation

/// How long to measure, and how often.
struct Stopwatch: Sendable {
    var warmUpSeconds: Double
    /// Of all repeats together, if runs are short.
    var totalSeconds: Double
    var repeats: Int

    static let usual = Stopwatch(warmUpSeconds: 0.5, totalSeconds: 1.5, repeats: 5)
    static let quick = Stopwatch(warmUpSeconds: 0.2, totalSeconds: 0.4, repeats: 3)

    /// Units a second in each of the repeats. A repeat is long enough for the clock; two will do where runs are slow.
    func rates(unitsPerRun: Int, _ run: () throws -> Void) throws -> [Double] {
        var runs = 0
        let warmUp = try seconds {
            let begin = now
            repeat {
                try run()
                runs += 1
            } while now - begin < warmUpSeconds
        }
        let inner = max(1, Int((totalSeconds / Double(repeats) * Double(runs) / warmUp).rounded()))
        var times: [Double] = []
        while times.count < repeats && !(times.count >= 2 && times.reduce(0, +) > totalSeconds) {
            times.append(try seconds { for _ in 0..<inner { try run() } })
        }
        return times.map { Double(unitsPerRun * inner) / $0 }
    }

    private func seconds(_ body: () throws -> Void) rethrows -> Double {
        let begin = now
        try body()
        return now - begin
    }

    private var now: Double { ProcessInfo.processInfo.systemUptime }
}
