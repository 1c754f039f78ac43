import Foundation
import PandoTraining

/// How one reproduction went.
public struct ReproductionResult: Sendable, Hashable, Codable {
    public let name: String
    /// The part that was put out; `nil` for the whole method.
    public let missing: String?
    public let seeds: [UInt64]
    public let findings: Findings
    /// Whether every part of the claim holds.
    public let holds: Bool
    /// Of the whole experiment, features included.
    public let seconds: Double
    /// When it ended.
    public let date: Date
    /// Host, processor and cores.
    public let machine: String
}

extension Reproduction {
    /// Runs the experiment and judges the claim.
    /// - Throws: `ReproductionError` if the part to put out is none of the method's, and as `run`.
    public func reproduce(_ conditions: Conditions) throws -> ReproductionResult {
        if let part = conditions.missing { try checkPart(part) }
        let start = ContinuousClock.now
        let findings = try run(conditions)
        return ReproductionResult(
            name: name, missing: conditions.missing, seeds: conditions.seeds, findings: findings, holds: findings.holds,
            seconds: (ContinuousClock.now - start) / .seconds(1), date: Date(), machine: Machine.hardware)
    }

    /// - Throws: `ReproductionError` naming the parts that there are.
    public func checkPart(_ part: String) throws(ReproductionError) {
        let names = parts.map(\.name)
        if names.contains(part) { return }
        guard !names.isEmpty else { throw ReproductionError("\(name) has no part that can be put out") }
        throw ReproductionError("\(name) has no part '\(part)'" + Suggestion.hint(for: part, among: names))
    }
}

/// Why nothing can be reproduced, or a record cannot be read.
public struct ReproductionError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
