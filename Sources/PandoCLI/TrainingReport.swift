import Foundation
import Pando

/// What training made and took, for programs and for people.
struct TrainingReport: Encodable {
    let run: String
    let bundle: String
    let cost: TrainingCost
    /// By task.
    let branches: [String: TrainingSession.BranchSize]
    let validation: [String: TaskMetrics]
    let test: [String: TaskMetrics]
    /// The tasks that were trained, in the plan's order.
    private let names: [String]

    private enum CodingKeys: String, CodingKey { case run, bundle, cost, branches, validation, test }

    init(_ outcome: TrainingSession.Outcome, _ bundle: URL, _ names: [String]) {
        func metrics(_ split: Split) -> [String: TaskMetrics] { outcome.metrics.compactMapValues { $0[split] } }
        (run, self.bundle, cost, branches) = (outcome.run.id, bundle.path, outcome.cost, outcome.branches)
        (validation, test, self.names) = (metrics(.validation), metrics(.test), names)
    }

    /// Prints tables of metrics and, where they differ, of branches, and a line of what it took.
    ///
    /// - Parameter examples: what features were computed of, in words.
    func show(withBranches: Bool, examples: String) {
        print(MetricsTable.make(names, [("validation", validation), ("test", test)]))
        if withBranches {
            print("\n\(branchTable)")
            let unlearnt = names.filter { name in
                branches[name].map { $0.bestEpoch == 0 && $0.epochs > 0 && $0.adapterParameters > 0 } ?? false
            }
            if !unlearnt.isEmpty {
                print(
                    "\nno epoch of \(unlearnt.joined(separator: ", ")) did better on validation than the start, before "
                        + "the adapter had learnt anything: that is what the bundle holds. Train longer, or at another rate.")
            }
        }
        print(
            String(
                format: "\nfeatures %.1f s (%d %@ computed), heads %.1f s, at most %@ of memory",
                cost.featureSeconds, cost.computedImages, examples, cost.headSeconds,
                Console.bytes(cost.peakResidentBytes)))
        print("bundle \(bundle), run \(run)")
    }

    /// Which adapter each task has, and how many parameters were trained for it.
    private var branchTable: Table {
        var table = Table([
            .init("task"), .init("adapter"), .init("adapter parameters", .right), .init("head's", .right),
            .init("best epoch", .right),
        ])
        for name in names {
            guard let branch = branches[name] else { continue }
            table.add(
                name, branch.adapter, Console.count(branch.adapterParameters), Console.count(branch.headParameters),
                "\(branch.bestEpoch) of \(branch.epochs)")
        }
        return table
    }
}

/// Metrics of tasks side by side by split.
enum MetricsTable {
    static func make(_ names: [String], _ splits: [(name: String, metrics: [String: TaskMetrics])]) -> Table {
        var table = Table([.init("task"), .init("metric")] + splits.map { .init($0.name, .right) })
        for name in names {
            let scores = splits.map { $0.metrics[name]?.scores ?? [] }
            for (index, score) in (scores.first ?? []).enumerated() {
                table.add([index == 0 ? name : "", score.name] + scores.map { Console.number($0[index].value) })
            }
        }
        return table
    }
}
