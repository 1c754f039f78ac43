import ArgumentParser
import Foundation
import Pando

extension Split: ExpressibleByArgument {}

/// `pando evaluate`: how good a bundle is.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measure every task of a bundle on one split of its data.",
        discussion: """
              pando evaluate out/clipart --split test
              pando evaluate out/clipart --split test --json
            """)

    @Argument(help: "The bundle, a folder that pando train wrote.")
    var bundle: String

    @Option(help: "Which examples: train, validation or test.")
    var split: Split = .test

    @OptionGroup var compute: ComputeOptions
    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    func run() throws {
        let whole = try Bundle(at: URL(fileURLWithPath: bundle, isDirectory: true))
        let bundle = try compute.running(whole)
        let session = try features.session(bundle.plan)
        let display = SessionDisplay(isQuiet: printing.quiet)
        let metrics = try Interruption.watching(display) { flag in
            try bundle.evaluate(on: split, session: session, cancellation: flag, display.show)
        }
        if printing.json { return try Console.print(json: EvaluationReport(tasks: metrics)) }
        if let front = try compute.front(of: whole) { print("on validation, at each cost:\n\(front)\n") }
        print(MetricsTable.make(bundle.tasks.map(\.name), [(split.rawValue, metrics)]))
    }
}
