import ArgumentParser
import Foundation
import Pando

/// `pando compare`: what sharing saves.
struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Hold a plan's shared bundle against one network for each task.",
        discussion: """
            Counts are exact and speeds are measured. With --finetune the backbone is trained once for each task, which \
            takes long; each network becomes a bundle beside the plan's (out/clipart.separate/TASK) and is not trained again. \
            Without it, what only that could tell says 'not run'.

              pando compare Examples/clipart.yaml
              pando compare Examples/clipart.yaml --bundle out/clipart
              pando compare Examples/clipart.yaml --finetune --epochs 3
            """)

    @Argument(help: "The plan, a YAML file.")
    var plan: String

    @Option(help: ArgumentHelp("The plan's bundle (default: the one that its last finished run wrote).", valueName: "folder"))
    var bundle: String?

    @Flag(help: "Train a network of its own for each task, with the backbone's weights moved too.")
    var finetune = false

    @Option(help: "Passes over the training pictures for each of those networks.")
    var epochs = 3

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard epochs > 0 else { throw ValidationError("--epochs is at least 1, not \(epochs)") }
    }

    func run() throws {
        let plan = try Plan(contentsOf: URL(fileURLWithPath: plan))
        let bundle = try Bundle(at: bundleFolder(of: plan))
        let (held, planned) = (bundle.plan.tasks.map(\.name), plan.tasks.map(\.name))
        if held != planned, Set(held).isSuperset(of: planned) {
            let added = held.filter { !planned.contains($0) }.joined(separator: ", ")
            throw ValidationError(
                "\(bundle.url.path) has tasks that \(self.plan) lacks (\(added)); write them into the plan, or compare a bundle without them")
        }
        guard held == planned, bundle.plan.backbone.architecture == plan.backbone.architecture else {
            throw ValidationError(
                "\(bundle.url.path) was trained with another plan; run pando train \(self.plan) -o \(bundle.url.path)")
        }
        let session = try features.session(bundle.plan)
        let display = SessionDisplay(isQuiet: printing.quiet)
        let metrics = try Interruption.watching(display) { flag in
            try bundle.evaluate(on: .test, session: session, cancellation: flag, display.show)
        }
        var separate: [String: FineTuned] = [:]
        if finetune {
            let folder = bundle.url.deletingLastPathComponent().appendingPathComponent(
                bundle.url.lastPathComponent + ".separate")
            separate = try Interruption.watching(display) { flag in
                try session.fineTune(
                    epochs: epochs, into: folder, registry: try RunRegistry(at: Locations.registry),
                    runs: Locations.runs, cancellation: flag, display.show)
            }
        }
        let comparison = try bundle.compared(metrics: metrics, separate: separate, workers: features.pictures.workerCount)
        if printing.json { return try Console.print(json: comparison) }
        show(comparison, bundle.tasks.map(\.name))
    }

    private func bundleFolder(of plan: Plan) throws -> URL {
        if let bundle { return URL(fileURLWithPath: bundle, isDirectory: true) }
        let finished = try RunRegistry(at: Locations.registry).runs()
            .filter { $0.planName == plan.name && $0.status == .finished }.max { $0.started < $1.started }
        guard let finished else {
            throw ValidationError(
                "no finished run of plan '\(plan.name)'; run pando train \(self.plan) -o BUNDLE, or name a bundle with --bundle")
        }
        return URL(fileURLWithPath: finished.bundlePath, isDirectory: true)
    }

    private func show(_ comparison: Comparison, _ tasks: [String]) {
        let (shared, separate) = (comparison.shared, comparison.separate)
        let count = tasks.count
        var table = Table([
            .init("\(count) tasks"), .init("one backbone", .right), .init("\(count) networks", .right), .init("ratio", .right),
        ])
        func add(_ title: String, _ first: Double?, _ second: Double?, _ text: (Double) -> String) {
            let ratio = first.flatMap { first in second.map { String(format: "%.2f", first / $0) } }
            table.add([title, first.map(text) ?? "not run", second.map(text) ?? "not run", ratio ?? ""])
        }
        func whole(_ text: @escaping (Int) -> String) -> (Double) -> String { { text(Int($0)) } }
        add("parameters", Double(shared.parameters), Double(separate.parameters), whole(Console.count))
        add("bytes deployed", Double(shared.bytes), Double(separate.bytes), whole(Console.bytes))
        add(
            "multiply-adds per image", Double(shared.multiplyAddsPerImage), Double(separate.multiplyAddsPerImage),
            whole(Console.count))
        add("images per second", shared.imagesPerSecond, separate.imagesPerSecond) { String(format: "%.0f", $0) }
        add("training seconds", shared.trainingSeconds, separate.trainingSeconds) { String(format: "%.1f", $0) }
        add(
            "peak training memory", shared.peakTrainingBytes.map(Double.init), separate.peakTrainingBytes.map(Double.init),
            whole(Console.bytes))
        for task in tasks {
            let name = comparison.metricNames[task] ?? ""
            add("\(task) \(name)", shared.metrics[task] ?? nil, separate.metrics[task] ?? nil, Console.number)
        }
        print(table)
    }
}
