import ArgumentParser
import Foundation
import Pando

/// `pando train`: from a plan to a bundle.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train the tasks of a plan and write a bundle.",
        discussion: """
              pando train Examples/clipart.yaml -o out/clipart
              pando train Examples/clipart.yaml -o out/clipart --resume

            Features are computed once and kept (pando features); training again takes seconds. Ctrl-C saves, and --resume \
            goes on to the same result, bit for bit. Runs are recorded (pando runs).
            """)

    @Argument(help: "The plan, a YAML file.")
    var plan: String

    @Option(name: .shortAndLong, help: "Where to write the bundle, a folder; a bundle that is there is replaced.")
    var output: String

    @Flag(help: "Go on with the newest unfinished run of this plan for this bundle.")
    var resume = false

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    struct Report: Encodable {
        let run: String
        let bundle: String
        let cost: TrainingCost
        /// By task.
        let branches: [String: TrainingSession.BranchSize]
        let validation: [String: TaskMetrics]
        let test: [String: TaskMetrics]
    }

    func run() throws {
        let file = URL(fileURLWithPath: plan)
        let plan = try Plan(contentsOf: file)
        let text = try String(contentsOf: file, encoding: .utf8)
        let bundle = URL(fileURLWithPath: output, isDirectory: true)
        let session = try features.session(plan)
        let display = SessionDisplay(isQuiet: printing.quiet)
        let outcome = try Interruption.watching(display) { flag in
            try session.train(
                planText: text, into: bundle, registry: try RunRegistry(at: Locations.registry), runs: Locations.runs,
                resumes: resume, cancellation: flag, display.show)
        }
        func metrics(_ split: Split) -> [String: TaskMetrics] { outcome.metrics.compactMapValues { $0[split] } }
        if printing.json {
            return try Console.print(
                json: Report(
                    run: outcome.run.id, bundle: bundle.path, cost: outcome.cost, branches: outcome.branches,
                    validation: metrics(.validation), test: metrics(.test)))
        }
        print(MetricsTable.make(plan.tasks.map(\.name), [("validation", metrics(.validation)), ("test", metrics(.test))]))
        if plan.sharing != nil || plan.tasks.contains(where: { $0.adapter != AdapterChoice() }) {
            print("\n\(Self.adapters(plan.tasks.map(\.name), outcome.branches))")
        }
        let examples = plan.backbone.readsTexts ? "texts" : "images"
        print(
            String(
                format: "\nfeatures %.1f s (%d %@ computed), heads %.1f s, at most %@ of memory",
                outcome.cost.featureSeconds, outcome.cost.computedImages, examples, outcome.cost.headSeconds,
                Console.bytes(outcome.cost.peakResidentBytes)))
        print("bundle \(bundle.path), run \(outcome.run.id)")
    }

    /// Which adapter each task has, and how many parameters were trained for it.
    private static func adapters(_ names: [String], _ branches: [String: TrainingSession.BranchSize]) -> Table {
        var table = Table([.init("task"), .init("adapter"), .init("adapter parameters", .right), .init("head's", .right)])
        for name in names {
            guard let branch = branches[name] else { continue }
            table.add(name, branch.adapter, Console.count(branch.adapterParameters), Console.count(branch.headParameters))
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
