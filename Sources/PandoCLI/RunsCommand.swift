import ArgumentParser
import Foundation
import Pando

/// `pando runs`: what was trained, when, and how it went.
struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs",
        abstract: "List training runs and show one.",
        discussion: """
              pando runs list
              pando runs show 20260301-1412

            TensorBoard draws the curves: tensorboard --logdir \(Locations.runs.path)
            """,
        subcommands: [List.self, Show.self], defaultSubcommand: List.self)

    private static func registry() throws -> RunRegistry { try RunRegistry(at: Locations.registry) }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List all runs, the newest first.", discussion: "Example: pando runs list --json")
        @OptionGroup var output: OutputOptions

        func run() throws {
            let runs = try RunsCommand.registry().runs()
            if output.json { return try Console.print(json: runs) }
            if runs.isEmpty { return print("no runs yet; pando train PLAN -o BUNDLE makes one") }
            var table = Table([
                .init("run"), .init("plan"), .init("status"), .init("time", .right), .init("seed", .right), .init("bundle"),
            ])
            for run in runs {
                table.add([
                    run.id, run.planName, run.status.rawValue, ProgressBar.inWords(run.seconds()), "\(run.seed)",
                    run.bundlePath,
                ])
            }
            print(table)
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one run: its plan, its metrics, how it ended.",
            discussion: "Example: pando runs show 20260301-1412 (an unambiguous beginning is enough)")
        @Argument(help: ArgumentHelp("The run's name, or its beginning.", valueName: "run"))
        var name: String
        @OptionGroup var output: OutputOptions

        struct Report: Encodable {
            let run: Run
            let metrics: [RunMetric]
        }

        func run() throws {
            let registry = try RunsCommand.registry()
            let found = try registry.run(name)
            let metrics = try registry.metrics(of: found.id)
            if output.json { return try Console.print(json: Report(run: found, metrics: metrics)) }
            print("\(found.id)  \(found.planName)  \(found.status.rawValue)  \(ProgressBar.inWords(found.seconds()))")
            print("machine  \(found.machine)\nbundle   \(found.bundlePath)")
            if let message = found.message { print("error    \(message)") }
            var table = Table([.init("task"), .init("epoch", .right), .init("split"), .init("metric"), .init("value", .right)])
            // The last value of each number.
            var last: [[String]: RunMetric] = [:]
            for metric in metrics { last[[metric.task, metric.phase.rawValue, metric.name]] = metric }
            for key in last.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                let metric = last[key]!
                table.add([metric.task, "\(metric.epoch)", metric.phase.rawValue, metric.name, Console.number(metric.value)])
            }
            print(table)
            print("\nplan:\n\(found.planText)")
        }
    }
}
