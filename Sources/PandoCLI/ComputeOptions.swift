import ArgumentParser
import Foundation
import Pando
import struct PandoTraining.Bundle

/// Options of every command that runs a bundle at a cost that is chosen then.
struct ComputeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Share of the full cost to spend, as 0.4 or 40%, where tasks share what can be run at several costs.",
            valueName: "share"))
    var compute: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("How much tasks matter at this cost, as section=2 role=1.", valueName: "task=number"))
    var prefer: [String] = []

    func validate() throws {
        if compute == nil, !prefer.isEmpty {
            throw ValidationError("--prefer needs --compute: preferences matter below the full cost")
        }
        _ = try level
        _ = try preferences
    }

    private var level: ComputeLevel? {
        get throws {
            do { return try compute.map(ComputeLevel.init(parsing:)) } catch { throw ValidationError("--compute: \(error)") }
        }
    }

    private var preferences: [String: Double] {
        get throws {
            var preferences: [String: Double] = [:]
            for wish in prefer {
                let parts = wish.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2, let number = Double(parts[1]) else {
                    throw ValidationError("--prefer is a task and a number, as section=2, not '\(wish)'")
                }
                guard preferences.updateValue(number, forKey: parts[0]) == nil else {
                    throw ValidationError("--prefer names \(parts[0]) twice")
                }
            }
            return preferences
        }
    }

    /// The bundle as it runs at the level asked for; as it is without one. Says on standard error what was chosen.
    func running(_ bundle: Bundle) throws -> Bundle {
        guard let level = try level else { return bundle }
        let costs = try bundle.costs(cachedIn: Locations.costs)
        let running = try bundle.running(at: level, preferring: try preferences, by: costs)
        let time = String(format: "%.0f %% of the full time", running.choice.share * 100)
        Console.note("compute \(level): \(running.choice.entry.point.text), \(time)")
        for notice in running.notices { Console.note(notice) }
        return running.bundle
    }

    /// The points that are worth their cost, as a table; `nil` if no level was asked for.
    func front(of bundle: Bundle) throws -> String? {
        try level == nil ? nil : "\(Self.table(of: bundle))"
    }

    /// The points that are worth their cost.
    /// - Throws: `ComputeError` if the bundle cannot be run at several costs.
    static func table(of bundle: Bundle) throws -> Table {
        let costs = try bundle.costs(cachedIn: Locations.costs)
        var table = Table(
            [.init("point"), .init("ms", .right), .init("of full", .right)]
                + bundle.sharedTaskNames.map { .init($0, .right) })
        for entry in costs.table.front() {
            table.add(
                [
                    entry.point.text, String(format: "%.2f", entry.milliseconds),
                    String(format: "%.0f %%", costs.table.share(of: entry) * 100),
                ] + entry.metrics.map { String(format: "%.4f", abs($0)) })
        }
        return table
    }
}

extension OperatingPoint {
    /// `shared 0.5, tasks 1, 0.25`.
    fileprivate var text: String {
        func number(_ value: Double) -> String { String(format: "%g", value) }
        return tasks.isEmpty
            ? "shared \(number(shared))" : "shared \(number(shared)), tasks \(tasks.map(number).joined(separator: ", "))"
    }
}
