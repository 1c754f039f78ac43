import ArgumentParser
import Foundation
import Pando

/// `pando advise`: which adapter, on the user's own data.
struct AdviseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "advise",
        abstract: "Try adapters briefly on a plan's data, and say which one to take.",
        discussion: """
              pando advise Examples/debian.yaml --tasks section --memory 800MB --params 1% --plot front.svg
              pando advise Examples/clipart.yaml --candidates probe,unipt,lora,full --seconds 600

            Every kind of adapter that the backbone can carry is trained at its defaults on the same few examples and \
            measured on validation. The score is the mean over the tasks of accuracy, average precision, r² or recall. \
            What takes long to learn is underrated by a short trial, and none goes on for longer than the plan's epochs; \
            one batch of each is always tried, however few the seconds. pando adapter list tells what the adapters are.
            """)

    @Argument(help: "The plan, a YAML file.")
    var plan: String

    @Option(help: ArgumentHelp("Kinds to try, separated by commas (default: all).", valueName: "kinds"))
    var candidates: String?

    @Option(help: ArgumentHelp("Tasks to try them on, separated by commas (default: all).", valueName: "names"))
    var tasks: String?

    @Option(
        help: ArgumentHelp(
            "The process's memory in training, as in 800MB (default: the plan's budget.memory).", valueName: "amount"))
    var memory: String?

    @Option(help: ArgumentHelp("The adapter's parameters: 1% of the backbone's, or 300k.", valueName: "number"))
    var params: String?

    @Option(help: "About how long it may take in all.")
    var seconds: Double = 300

    @Option(help: ArgumentHelp("Draw score against memory and parameters into this SVG file.", valueName: "file"))
    var plot: String?

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard seconds.isFinite, seconds > 0 else { throw ValidationError("--seconds is more than 0, not \(seconds)") }
        _ = try bounds(of: nil)
    }

    private func bounds(of plan: Plan?) throws -> AdviceBounds {
        var bounds = AdviceBounds(memory: plan?.budget.memory)
        if let memory {
            guard let amount = ByteCount(parsing: memory) else {
                throw ValidationError("--memory is an amount such as 800MB or 1.5GiB, not '\(memory)'")
            }
            bounds.memory = amount
        }
        if let params {
            guard let bound = ParameterBound(parsing: params) else {
                throw ValidationError("--params is a share such as 1% or a number such as 300k, not '\(params)'")
            }
            bounds.parameters = bound
        }
        return bounds
    }

    func run() throws {
        var plan = try Plan(contentsOf: URL(fileURLWithPath: plan))
        if let tasks { plan = try plan.keeping(tasks: Console.names(tasks)) }
        let kinds = try candidates.map { try AdapterCatalog.kinds(named: Console.names($0)) } ?? AdapterCatalog.kinds
        let bounds = try bounds(of: plan)
        if let plot {
            let folder = URL(fileURLWithPath: plot).deletingLastPathComponent()
            guard FileManager.default.fileExists(atPath: folder.path) else {
                throw ValidationError("--plot: there is no folder \(folder.path)")
            }
        }
        let session = try features.session(plan)
        let display = SessionDisplay(isQuiet: printing.quiet)
        let advice = try Interruption.watching(display) { flag in
            try session.advise(among: kinds, within: bounds, seconds: seconds, cancellation: flag, display.show)
        }
        let scoreName = Self.scoreName(advice)
        if printing.json { try Console.print(json: advice) } else { show(advice, scoreName) }
        if let plot {
            try AtomicFile.write(FrontPlot(advice, scoreName: scoreName).svg, to: URL(fileURLWithPath: plot))
        }
        if advice.recommended == nil { throw ExitCode(1) }
    }

    /// The metric's name if it is the same for all tasks.
    private static func scoreName(_ advice: Advice) -> String {
        let names = Set(advice.trials.flatMap { $0.metrics.values.map(\.goodness.name) })
        return names.count == 1 ? names.first ?? "score" : "mean score"
    }

    private func show(_ advice: Advice, _ scoreName: String) {
        let titles = ["parameters", "of backbone", "training memory", "process", "stored", "seconds"]
        let mark = advice.bounds.isEmpty ? [] : [Table.Column("in bounds")]
        var table = Table(
            [.init("adapter"), .init(scoreName, .right)] + titles.map { .init($0, .right) } + [.init("front")] + mark)
        for trial in advice.trials.sorted(by: { $0.score > $1.score }) {
            table.add([
                trial.kind, Console.number(trial.score), Console.count(trial.adapterParameters),
                String(format: "%.2f%%", 100 * advice.share(trial)), Console.bytes(trial.trainingBytes),
                Console.bytes(trial.processBytes), Console.bytes(trial.storedBytes), String(format: "%.1f", trial.seconds),
                advice.isOnFront(trial) ? "yes" : "", advice.meetsBounds(trial) ? "yes" : "no",
            ])
        }
        print(table)
        for refusal in advice.refusals { print("not tried: \(refusal.kind): \(refusal.reason)") }
        let brief = advice.brief
        print(
            "\n\(advice.tasks.joined(separator: ", ")): \(brief.trainingExamples) of \(brief.availableExamples) training "
                + "examples, \(brief.validationExamples) for validation, at most \(brief.epochs) epochs each; "
                + String(format: "%.0f s in all", advice.seconds))
        if let chosen = advice.recommended, let best = advice.best {
            if chosen.kind != best.kind {
                print(
                    String(
                        format: "%@ has the best score, but %d validation examples leave ±%.3f open, and %@ trains in less "
                            + "memory", best.kind, brief.validationExamples, advice.margin, chosen.kind))
            }
            print("recommended:\n\nadapter: \(chosen.kind)")
        } else if let nearest = advice.nearest {
            print("nothing meets the bounds (\(Self.words(advice.bounds))); \(nearest.kind) comes nearest")
        }
    }

    private static func words(_ bounds: AdviceBounds) -> String {
        [bounds.memory.map { "memory \($0)" }, bounds.parameters.map { "parameters \($0)" }].compactMap(\.self)
            .joined(separator: ", ")
    }
}
