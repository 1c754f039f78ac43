import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// Some of a plan's examples, read once for all the adapters that are tried on them.
struct BriefData {
    let tasks: [TaskData]
    let features: ExampleFeatures
    let readable: TrainingSession.Readable
    let texts: [String: any FeatureSource]

    /// Bytes that the input of one example takes in memory.
    var inputBytes: Double { readable.inputs.map { Double($0.byteCount) / Double(max($0.count, 1)) } ?? 0 }
}

/// Trains adapters one after another on the same few examples.
struct AdapterTrials {
    let session: TrainingSession
    let backbone: PlanBackbone
    let dataset: Dataset
    let tasks: [TaskData]
    /// Memory that the process held before anything was computed.
    let residentBytes: Int
    let cancellation: CancellationFlag?

    private var plan: Plan { session.plan }

    /// A task's fresh adapters, or why the backbone cannot carry them.
    func adapters(_ choice: AdapterChoice) throws(AdapterError) -> [any Adapter] {
        var adapters: [any Adapter] = []
        for task in tasks { adapters.append(try task.choosing(choice).plan.freshAdapter(on: backbone.network, plan: plan)) }
        return adapters
    }

    /// Reads so many examples of each task, and what these adapters want of them.
    ///
    /// - Parameter stores: `false` computes taps anew in each epoch, `nil` lets an estimate decide.
    func read(
        training: Int, validation: Int, epochs: Int, storing stores: Bool?, for choices: [AdapterChoice],
        _ report: @escaping @Sendable (TrainingSession.Event) -> Void
    ) throws -> BriefData {
        let few = tasks.map { $0.sampled(training: training, validation: validation, seed: plan.train.seed) }
        let rows = Set(few.flatMap { $0.examples.values.flatMap(\.rows) }).sorted()
        let examples = rows.map { dataset.examples[$0] }
        var brief = session
        brief.plan.train.epochs = epochs
        if let stores { brief.plan.features.stores = stores }
        let features = plan.features(of: backbone)
        let requests = try choices.map { try adapters($0)[0].request }
        let provision = try FeatureProvision(
            for: requests, of: features, examples: examples, plan: brief.plan, store: session.store,
            workers: session.workers)
        let readable = try session.read(examples, features, provision, cancellation, report)
        if !readable.unreadable.isEmpty { report(.leftOut(readable.unreadable)) }
        let lost = Set(readable.unreadable.map(\.position))
        let left = rows.indices.filter { !lost.contains($0) }.map { rows[$0] }
        let places = Dictionary(uniqueKeysWithValues: zip(left, 0...))
        let data = few.map { $0.renumbered(places) }
        for task in data where task.examples(in: .train).count == 0 || task.examples(in: .validation).count == 0 {
            throw TaskDataError(
                data: dataset.name, problems: ["tasks.\(task.name): none of the examples that were tried can be read"])
        }
        let (texts, _) = try session.textFeatures(of: data, cancellation, report)
        return BriefData(tasks: data, features: features, readable: readable, texts: texts)
    }

    /// Trains every task with one adapter, and measures what came of it and what it took.
    ///
    /// - Throws: `TrainingError` if it does not train here, `CancellationError`.
    func run(
        _ choice: AdapterChoice, on data: BriefData, epochs: Int, _ epochDone: @Sendable (EpochReport) -> Void = { _ in }
    ) throws -> TriedAdapter {
        var schedule = plan.train
        schedule.epochs = epochs
        let start = ContinuousClock.now
        var needsInputs = false
        let measured = try MemoryMeter.measure {
            let branches = zip(data.tasks, try adapters(choice)).map { task, adapter in
                let reader = data.readable.reader(for: adapter.request, data.features)
                needsInputs = reader is ComputedFeatures
                return BranchTask(task.choosing(choice), adapter: adapter, features: reader, texts: data.texts[task.name])
            }
            var trainer = try Trainer(schedule, branches, workers: session.workers)
            let ending = try trainer.run(cancellation: cancellation, report: epochDone)
            if ending == .interrupted { throw CancellationError() }
            return (trained: trainer.trained, branches: branches)
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let (trained, branches) = measured.result
        var metrics: [String: TaskMetrics] = [:]
        for (task, branch) in zip(trained, branches) {
            metrics[task.data.name] = task.branch.metrics(
                on: task.data.examples(in: .validation), of: branch, precision: plan.train.precision.elementType,
                workers: session.workers)
        }
        let scores = metrics.values.map(\.goodness.value).filter(\.isFinite)
        let inputs = needsInputs ? data.inputBytes * Double(dataset.examples.count) : 0
        return TriedAdapter(
            choice: choice, metrics: metrics,
            score: scores.isEmpty ? 0 : scores.reduce(0, +) / Double(scores.count),
            adapterParameters: trained[0].branch.adapter.parameterCount,
            storedBytes: trained.reduce(0) { $0 + $1.branch.namedTensors.reduce(0) { $0 + $1.tensor.byteCount } },
            trainingBytes: measured.peakBytes, processBytes: residentBytes + measured.peakBytes + Int(inputs),
            seconds: seconds)
    }
}
