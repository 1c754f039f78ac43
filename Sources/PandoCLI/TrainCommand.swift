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
        let report = TrainingReport(outcome, bundle, plan.tasks.map(\.name))
        if printing.json { return try Console.print(json: report) }
        report.show(
            withBranches: plan.sharing != nil || plan.tasks.contains { $0.adapter != AdapterChoice() },
            examples: plan.backbone.readsTexts ? "texts" : "images")
    }
}
