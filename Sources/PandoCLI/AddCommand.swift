import ArgumentParser
import Foundation
import Pando
import struct PandoTraining.Bundle

/// `pando add`: further tasks for a bundle.
struct AddCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Train further tasks on a bundle's backbone and add them to it.",
        discussion: """
              pando add out/clipart more.yaml
              pando add out/clipart more.yaml --replace

            The file has tasks as a plan has them, and perhaps train and data; what it leaves out is as the bundle was \
            trained:

              tasks:
                colour: {kind: classification}
                tags: {kind: multilabel, adapter: unipt}
              train: {epochs: 10}

            The backbone stays frozen and its features come from the store, so it takes seconds. All else in the bundle \
            stays as it is, byte for byte; the new one takes its place in one step, and who has the old one open goes on \
            with that. Tasks may have data of their own: pando evaluate measures each on what it learned from.
            """)

    @Argument(help: "The bundle, a folder that pando train wrote.")
    var bundle: String

    @Argument(help: "The tasks, a YAML file.")
    var tasks: String

    @Flag(help: "Train tasks anew that the bundle has already.")
    var replace = false

    @Flag(help: "Go on with the newest unfinished run that added these tasks to this bundle.")
    var resume = false

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    struct Report: Encodable {
        let training: TrainingReport
        /// All tasks of the bundle now.
        let tasks: [String]

        func encode(to encoder: any Encoder) throws {
            try training.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(tasks, forKey: .tasks)
        }

        private enum CodingKeys: String, CodingKey { case tasks }
    }

    func run() throws {
        let bundle = try Bundle(at: URL(fileURLWithPath: bundle, isDirectory: true))
        let file = URL(fileURLWithPath: tasks)
        let addition = try bundle.plan.addition(contentsOf: file, replacing: replace)
        let text = try String(contentsOf: file, encoding: .utf8)
        let session = try features.session(addition)
        let display = SessionDisplay(isQuiet: printing.quiet)
        let outcome = try Interruption.watching(display) { flag in
            try session.train(
                planText: text, addingTo: bundle, registry: try RunRegistry(at: Locations.registry), runs: Locations.runs,
                resumes: resume, cancellation: flag, display.show)
        }
        let report = TrainingReport(outcome, bundle.url, addition.tasks.map(\.name))
        let names = try Bundle.taskNames(at: bundle.url)
        if printing.json { return try Console.print(json: Report(training: report, tasks: names)) }
        report.show(
            withBranches: addition.tasks.contains { $0.adapter != AdapterChoice() },
            examples: addition.backbone.readsTexts ? "texts" : "images")
        print("its tasks: \(names.joined(separator: ", "))")
    }
}
