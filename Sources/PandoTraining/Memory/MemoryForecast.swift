import Foundation
import PandoTensor

/// What training a plan holds in memory at most, found by rehearsing it: see `TrainingSession.forecastMemory`.
public struct MemoryForecast: Sendable, Encodable {
    /// One part of the work.
    public struct Phase: Sendable, Encodable {
        public let name: String
        /// The highest number of bytes that tensors held at once.
        public let tensorBytes: Int
        /// What they were held for at that moment.
        public let weights, activations, optimizer, workspace: Int

        init(_ name: String, _ report: MemoryMeter.Report<some Any>) {
            self.name = name
            let peak = report.peak
            tensorBytes = peak.total
            (weights, activations, optimizer, workspace) = (peak.weights, peak.activations, peak.optimizer, peak.workspace)
        }
    }

    public let phases: [Phase]
    /// The highest number of bytes of memory that the process will hold: tensors, and everything else.
    public let residentBytes: Int

    /// The highest number of bytes that tensors will hold at once.
    public var tensorBytes: Int { phases.map(\.tensorBytes).max() ?? 0 }
}

/// A plan that needs more memory than its budget.
public struct MemoryBudgetExceeded: Error, Sendable, CustomStringConvertible {
    public let plan: String
    public let budget: Int
    public let forecast: MemoryForecast
    /// Changes with which it would fit, and what it would need then; the gentlest first.
    public let remedies: [(change: String, bytes: Int)]

    public var description: String {
        func megabytes(_ bytes: Int) -> String { "\((bytes + 999_999) / 1_000_000) MB" }
        let need = "training '\(plan)' needs about \(megabytes(forecast.residentBytes)) of memory; budget.memory allows \(megabytes(budget))"
        guard !remedies.isEmpty else {
            return need + ". Neither fewer workers nor smaller batches bring it down that far: "
                + "raise the budget, or take a smaller backbone or image_size"
        }
        return need + ". It would fit with:\n"
            + remedies.map { "  \($0.change): about \(megabytes($0.bytes))" }.joined(separator: "\n")
    }
}
