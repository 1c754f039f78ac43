import Foundation
import Glibc
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import Synchronization

extension TrainingSession {
    /// Tries adapters for a short while on the plan's own data, and says what each brings and takes.
    ///
    /// Each is tried at its defaults for every task, on the same examples with the same seed. How many examples and epochs
    /// there are follows from a first batch of each and from the time that is left: epochs are saved first, then examples.
    /// The tasks' own adapters in the plan do not matter.
    /// - Parameters:
    ///   - kinds: those that the backbone cannot carry are listed with the reason.
    ///   - seconds: about how long it may take in all.
    /// - Throws: `AdapterError` if the plan trains its backbone or nothing can be tried; every error of `prepare`;
    ///   `CancellationError`.
    public func advise(
        among kinds: [any AdapterConfiguration.Type] = AdapterCatalog.kinds, within bounds: AdviceBounds = AdviceBounds(),
        seconds: Double, cancellation: CancellationFlag? = nil, _ report: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws -> Advice {
        let start = ContinuousClock.now
        func elapsed() -> Double { (ContinuousClock.now - start) / .seconds(1) }
        guard !plan.backbone.isTrained else {
            throw AdapterError(
                "plan '\(plan.name)'", "backbone.train: adapters stand on a frozen backbone; leave 'train' out to try them")
        }
        guard plan.sharing == nil else {
            throw AdapterError(
                "plan '\(plan.name)'", "sharing: adapters are tried for each task by itself; leave 'sharing' out to try them")
        }
        let (backbone, dataset) = (try plan.openBackbone(), try plan.data.dataset())
        let trials = AdapterTrials(
            session: self, backbone: backbone, dataset: dataset, tasks: try TaskData.prepare(plan, on: dataset),
            residentBytes: try Self.residentBytes(), cancellation: cancellation)
        var refusals: [Advice.Refusal] = []
        var candidates = kinds.map { AdapterChoice($0.init()) }.filter { choice in
            do throws(AdapterError) {
                _ = try trials.adapters(choice)
                return true
            } catch {
                refusals.append(.init(kind: choice.kind, reason: error.problems.joined(separator: "; ")))
                return false
            }
        }
        func attempt<Result>(_ choice: AdapterChoice, _ body: () throws -> Result) throws -> Result? {
            do { return try body() } catch let error as TrainingError {
                refusals.append(.init(kind: choice.kind, reason: "\(error)"))
                return nil
            }
        }

        // One batch of each tells what an example costs.
        let batch = plan.train.batchSize
        let few = max(1, batch / 4)
        let pilot = try trials.read(
            training: batch, validation: few, epochs: 1, storing: false, for: candidates, report)
        var rates: [Double] = []
        for (index, choice) in candidates.enumerated() {
            report(.progress(title: "timing", unit: "adapters", done: index, total: candidates.count))
            let trial = try attempt(choice) { try trials.run(choice, on: pilot, epochs: 1) }
            let visits = pilot.tasks.reduce(0) { $0 + BriefSize.visits($1, batch, few, epochs: 1) }
            if let trial { rates.append(trial.seconds / Double(visits)) }
        }
        candidates.removeAll { choice in refusals.contains { $0.kind == choice.kind } }
        report(.progress(title: "timing", unit: "adapters", done: kinds.count, total: kinds.count))
        guard !candidates.isEmpty else {
            throw AdapterError("plan '\(plan.name)'", refusals.map { "\($0.kind): \($0.reason)" })
        }

        let size = BriefSize(
            of: trials.tasks, schedule: plan.train, secondsPerVisit: rates.reduce(0, +), seconds: 0.95 * seconds - elapsed())
        report(
            .message(
                "trying \(candidates.count) adapters on at most \(size.training) training examples, "
                    + "for at most \(size.epochs) epochs"))
        let data = try trials.read(
            training: size.training, validation: size.validation, epochs: size.epochs, storing: plan.features.stores,
            for: candidates, report)
        let total = candidates.count * data.tasks.count * size.epochs
        var results: [TriedAdapter] = []
        for (index, choice) in candidates.enumerated() {
            let before = index * data.tasks.count * size.epochs
            let done = Mutex(before)
            report(.progress(title: "trying", unit: "epochs", done: before, total: total))
            let trial = try attempt(choice) {
                try trials.run(choice, on: data, epochs: size.epochs) { _ in
                    report(
                        .progress(
                            title: "trying", unit: "epochs",
                            done: done.withLock {
                                $0 += 1
                                return $0
                            }, total: total))
                }
            }
            if let trial { results.append(trial) }
        }
        report(.progress(title: "trying", unit: "epochs", done: total, total: total))
        func most(_ split: Split, _ tasks: [TaskData]) -> Int { tasks.map { $0.examples(in: split).count }.max() ?? 0 }
        return Advice(
            backbone: plan.backbone.name, backboneParameters: plan.backbone.parameterCount(of: backbone.network),
            tasks: plan.tasks.map(\.name),
            brief: .init(
                availableExamples: most(.train, trials.tasks), trainingExamples: most(.train, data.tasks),
                validationExamples: most(.validation, data.tasks), epochs: size.epochs),
            bounds: bounds, trials: results, refusals: refusals, seconds: elapsed())
    }

    /// Bytes of memory that the process holds now.
    private static func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .ascii).split(separator: " ")
        return (pages.count > 1 ? Int(pages[1]) ?? 0 : 0) * Int(getpagesize())
    }
}

/// How many examples and epochs fit into the time that there is.
struct BriefSize: Equatable {
    var training: Int
    var validation: Int
    var epochs: Int

    /// Fewer epochs than these tell little.
    private static let fewEpochs = 8

    /// - Parameters:
    ///   - secondsPerVisit: of all adapters together, for one forward pass of one example.
    init(of tasks: [TaskData], schedule: TrainPlan, secondsPerVisit: Double, seconds: Double) {
        let all = tasks.map { $0.examples(in: .train).count }.max() ?? 1
        func validation(_ training: Int) -> Int { max(2 * schedule.batchSize, training / 2) }
        func fits(_ training: Int, _ epochs: Int) -> Bool {
            let visits = tasks.reduce(0) { $0 + Self.visits($1, training, validation(training), epochs: epochs) }
            return Double(visits) * secondsPerVisit <= seconds
        }
        var epochs = schedule.epochs
        while epochs > Self.fewEpochs, !fits(all, epochs) { epochs -= 1 }
        var training = all
        let least = min(all, 4 * schedule.batchSize)
        while training > least, !fits(training, epochs) { training = max(least, training * 9 / 10) }
        while epochs > 1, !fits(training, epochs) { epochs -= 1 }
        (self.training, self.validation, self.epochs) = (training, validation(training), epochs)
    }

    /// Forward passes over one example that training a task takes: in the beginning all, then in each epoch those for
    /// training, which count three times for what goes backward, and those for validation.
    static func visits(_ task: TaskData, _ training: Int, _ validation: Int, epochs: Int) -> Int {
        (1 + 3 * epochs) * min(training, task.examples(in: .train).count)
            + (epochs + 2) * min(validation, task.examples(in: .validation).count)
    }
}

extension BackbonePlan {
    /// Without the classifier that the network was pretrained with, which is no part of what is used.
    func parameterCount(of network: any Backbone) -> Int {
        let classifiers = type(of: architecture.configuration).classifierNames
        return network.namedTensors.filter { tensor in
            tensor.isParameter && !classifiers.contains { tensor.name.hasPrefix($0 + ".") }
        }.reduce(0) { $0 + $1.tensor.elementCount }
    }
}
