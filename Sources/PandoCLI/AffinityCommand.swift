import ArgumentParser
import Foundation
import Pando

/// `pando affinity`: which tasks help each other.
struct AffinityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "affinity",
        abstract: "Measure which of a plan's tasks help each other when they share what is trained.",
        discussion: """
              pando affinity Examples/debian.yaml --tasks section,role,use --plot affinity.svg

            The tasks are trained together for a while. Now and then each is tried a few steps ahead alone, and with each \
            other task; what another task adds is the difference in validation loss. The cosine of the tasks' gradients, \
            averaged over the run, says how alike their steps are.
            """)

    @Argument(help: "The plan, a YAML file.")
    var plan: String

    @Option(help: ArgumentHelp("Tasks to measure, separated by commas (default: all).", valueName: "names"))
    var tasks: String?

    @Option(help: "How often is looked ahead.")
    var measurements = 4

    @Option(help: "Training steps from one look ahead to the next.")
    var interval = 20

    @Option(help: "Steps of a look ahead.")
    var lookAhead = 3

    @Option(help: ArgumentHelp("Draw the table into this SVG file.", valueName: "file"))
    var plot: String?

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        for (name, value) in [("measurements", measurements), ("interval", interval), ("look-ahead", lookAhead)]
        where !(1...10_000).contains(value) {
            throw ValidationError("--\(name) is 1 to 10000, not \(value)")
        }
    }

    func run() throws {
        var plan = try Plan(contentsOf: URL(fileURLWithPath: plan))
        if let tasks { plan = try plan.keeping(tasks: Console.names(tasks)) }
        guard plan.tasks.count > 1 else {
            throw ValidationError("the plan has one task; affinity is between several")
        }
        let session = try features.session(plan)
        var settings = TaskAffinity.Settings()
        (settings.measurements, settings.interval, settings.lookAhead) = (measurements, interval, lookAhead)
        let display = SessionDisplay(isQuiet: printing.quiet)
        let affinity = try Interruption.watching(display) { [settings] flag in
            try session.affinity(settings, cancellation: flag, display.show)
        }
        if let plot { try AtomicFile.write(AffinityPlot(affinity).svg, to: URL(fileURLWithPath: plot)) }
        if printing.json { return try Console.print(json: affinity) }
        print("what a task (row) adds to another (column), of its validation loss:\n")
        print(affinity.table)
        print("\n\(affinity.cosineTable)\n")
        for sentence in affinity.sentences() { print(sentence) }
        print(
            "\n\(affinity.measurementCount) looks of \(lookAhead) steps ahead, \(affinity.stepCount) steps of training")
    }
}
