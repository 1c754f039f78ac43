import Foundation
import Glibc
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import Synchronization

extension TrainingSession {
    /// What a session leaves.
    public struct Outcome: Sendable {
        public let run: Run
        /// By task and split; only validation and test.
        public let metrics: [String: [Split: TaskMetrics]]
        public let cost: TrainingCost
        public let epochs: [String: Int]
        /// By task.
        public let branches: [String: BranchSize]
    }

    /// What was trained for a task.
    public struct BranchSize: Sendable, Encodable {
        /// The adapter's kind.
        public let adapter: String
        public let adapterParameters: Int
        public let headParameters: Int
        /// The epoch that did best on validation, which the bundle holds; 0 is the start.
        public let bestEpoch: Int
        /// Epochs trained in all.
        public let epochs: Int
    }

    /// What training made, before it is written.
    struct Trained {
        /// As it came out: a task that was found to harm the others has an adapter of its own.
        let plan: Plan
        let backbone: PlanBackbone
        /// The text encoder's folder, if a task reads texts.
        let textFolder: URL?
        let tasks: [TrainedTask]
        /// By task and split.
        let metrics: [String: [Split: TaskMetrics]]
        let cost: TrainingCost
        /// Of what tasks share, if that can be run at several costs.
        var costs: MeasuredCosts?

        func write(to bundle: URL) throws {
            try Bundle.write(
                to: bundle, plan: plan, backbone: backbone, textFolder: textFolder, tasks: tasks, metrics: metrics,
                cost: cost, costs: costs)
        }
    }

    /// Training that was stopped before its end; `--resume` goes on.
    public struct Interrupted: Error, CustomStringConvertible, Sendable {
        public let run: Run.ID

        public var description: String { "stopped; everything is saved, and --resume goes on with run \(run)" }
    }

    /// Trains a plan's tasks and writes the bundle.
    ///
    /// The run is recorded from its first moment; its checkpoint and TensorBoard files lie in `runs/ID`.
    /// - Parameters:
    ///   - planText: the plan file's text, for the record.
    ///   - bundle: where the bundle goes; one that is there is replaced when the new one is whole.
    ///   - runs: the folder of runs.
    ///   - resumes: go on with the newest unfinished run of this plan for this bundle.
    /// - Throws: `Interrupted`, or every error of data, weights, images, store, training and files. The run's record
    ///   then says how it ended.
    public func train(
        planText: String, into bundle: URL, registry: RunRegistry, runs: URL, resumes: Bool,
        cancellation: CancellationFlag? = nil, _ report: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws -> Outcome {
        try Bundle.checkWritable(bundle)
        try checkBudget(cancellation)
        return try recorded(planText, bundle, registry: registry, runs: runs, resumes: resumes, report) { recorder in
            let trained = try plan.backbone.isTrained
                ? trainNetwork(recorder, resumes: resumes, cancellation: cancellation, report)
                : trainBranches(recorder, resumes: resumes, cancellation: cancellation, report)
            report(.message("writing \(bundle.path)"))
            try trained.write(to: bundle)
            return trained
        }
    }

    /// Trains and writes as `body` does, and records how that ends.
    func recorded(
        _ planText: String, _ bundle: URL, registry: RunRegistry, runs: URL, resumes: Bool,
        _ report: @Sendable (Event) -> Void, _ body: (Recorder) throws -> Trained
    ) throws -> Outcome {
        let run = try resumes
            ? resumedRun(bundle, registry, runs, report)
            : registry.start(
                planName: plan.name, planText: planText, seed: plan.train.seed, bundlePath: bundle.standardizedFileURL.path)
        do {
            let recorder = try Recorder(run.id, registry: registry, folder: runs.appendingPathComponent(run.id))
            let trained = try body(recorder)
            try recorder.record(trained.metrics)
            try registry.end(run.id, as: .finished)
            return Outcome(
                run: run, metrics: trained.metrics, cost: trained.cost,
                epochs: Dictionary(uniqueKeysWithValues: trained.tasks.map { ($0.data.name, $0.epochs) }),
                branches: Dictionary(uniqueKeysWithValues: trained.tasks.map { ($0.data.name, BranchSize($0, trained.plan)) }))
        } catch let error {
            if error is CancellationError || error is Interrupted {
                try registry.end(run.id, as: .interrupted)
                throw Interrupted(run: run.id)
            }
            try registry.end(run.id, as: .failed, message: "\(error)")
            throw error
        }
    }

    /// Trains the branches on features of the frozen backbone: `opened`, or as the plan says.
    func trainBranches(
        on opened: PlanBackbone? = nil, _ recorder: Recorder, resumes: Bool, cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (Event) -> Void
    ) throws -> Trained {
        let start = ContinuousClock.now
        let prepared = try prepare(on: opened, cancellation: cancellation, report)
        let ready = ContinuousClock.now
        let measured = try MemoryMeter.measure {
            try plan.sharedTasks.isEmpty
                ? (plan, trainAlone(prepared.tasks, recorder, at: recorder.checkpoint, resumes: resumes, cancellation, report))
                : trainTogether(prepared.tasks, on: prepared.backbone, recorder, resumes: resumes, cancellation, report)
        }
        let (finalPlan, trained) = measured.result
        let tasks = Dictionary(uniqueKeysWithValues: prepared.tasks.map { ($0.data.name, $0) })
        let metrics = Self.metrics(of: trained) { task, examples in
            task.branch.metrics(
                on: examples, of: tasks[task.data.name]!, precision: plan.train.precision.elementType, workers: workers)
        }
        let cost = TrainingCost(
            computedImages: prepared.computedCount, featureSeconds: (ready - start) / .seconds(1),
            headSeconds: (ContinuousClock.now - ready) / .seconds(1), peakTensorBytes: measured.peak.total,
            peakResidentBytes: Self.peakResidentBytes)
        return Trained(
            plan: finalPlan, backbone: prepared.backbone, textFolder: prepared.textFolder, tasks: trained, metrics: metrics,
            cost: cost, costs: try costs(of: trained, tasks, on: prepared.backbone))
    }

    /// What is shared at each of its costs; `nil` if it has only one.
    private func costs(of trained: [TrainedTask], _ tasks: [String: BranchTask], on backbone: PlanBackbone) throws
        -> MeasuredCosts?
    {
        let sharing = trained.filter { $0.branch.adapter is SharedView }
        guard let view = sharing.first?.branch.adapter as? SharedView, let policy = view.sharing as? any Elastic else {
            return nil
        }
        return try MeasuredCosts(
            of: policy, on: backbone, plan: plan, tasks: sharing.map { tasks[$0.data.name]! },
            heads: sharing.map(\.branch.head), workers: workers)
    }

    /// Trains branches that share nothing.
    func trainAlone(
        _ tasks: [BranchTask], _ recorder: Recorder?, at checkpoint: URL?, resumes: Bool, _ cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (Event) -> Void
    ) throws -> [TrainedTask] {
        var trainer: Trainer
        if resumes, let checkpoint, FileManager.default.fileExists(atPath: checkpoint.path) {
            trainer = try Trainer(resuming: checkpoint, plan.train, tasks, workers: workers)
        } else {
            trainer = try Trainer(plan.train, tasks, workers: workers)
            if let recorder { for start in trainer.startReports { try recorder.record(start) } }
        }
        let total = plan.train.epochs * tasks.count
        let done = Mutex(trainer.epochsDone)
        let failure = Mutex<(any Error)?>(nil)
        report(.progress(title: "training", unit: "epochs", done: trainer.epochsDone, total: total))
        let ending = try trainer.run(checkpoint: checkpoint, cancellation: cancellation) { epoch in
            // A task that stops early leaves the rest of its epochs behind.
            let count = done.withLock {
                $0 += epoch.isLast ? plan.train.epochs - epoch.epoch + 1 : 1
                return $0
            }
            do { try recorder?.record(epoch) } catch { failure.withLock { $0 = $0 ?? error } }
            report(.progress(title: "training", unit: "epochs", done: min(count, total), total: total))
        }
        if let error = failure.withLock({ $0 }) { throw error }
        if ending == .interrupted { throw CancellationError() }
        return trainer.trained
    }

    /// Each task's metrics on validation and test.
    static func metrics(of tasks: [TrainedTask], _ measure: (TrainedTask, TaskExamples) -> TaskMetrics)
        -> [String: [Split: TaskMetrics]]
    {
        var metrics: [String: [Split: TaskMetrics]] = [:]
        for task in tasks {
            for split in [Split.validation, .test] {
                metrics[task.data.name, default: [:]][split] = measure(task, task.data.examples(in: split))
            }
        }
        return metrics
    }

    /// Runs for this bundle that did not finish, the newest first; and the first of them that has a checkpoint. What was
    /// begun before the last run that finished is over.
    private func unfinished(_ bundle: URL, _ registry: RunRegistry, _ runs: URL) throws -> (runs: [Run], saved: Run?) {
        let path = bundle.standardizedFileURL.path
        let unfinished = try registry.runs().filter { $0.bundlePath == path && $0.planName == plan.name }
            .prefix { $0.status != .finished }.filter { $0.status != .running }
        let saved = unfinished.first { run in
            FileManager.default.fileExists(atPath: Recorder.checkpoint(in: runs.appendingPathComponent(run.id)).path)
        }
        return (unfinished, saved)
    }

    /// Whether there is something to go on with for this bundle.
    func hasStoppedRun(for bundle: URL, registry: RunRegistry, runs: URL) throws -> Bool {
        try unfinished(bundle, registry, runs).saved != nil
    }

    /// The newest run for this bundle that did not finish, marked as running again; one with a checkpoint, if there is
    /// any.
    private func resumedRun(
        _ bundle: URL, _ registry: RunRegistry, _ runs: URL, _ report: @Sendable (Event) -> Void
    ) throws -> Run {
        let (unfinished, saved) = try unfinished(bundle, registry, runs)
        guard let run = saved ?? unfinished.first else {
            throw TrainingError.nothingToResume(plan: plan.name, bundle: bundle.standardizedFileURL.path)
        }
        report(.message("going on with run \(run.id)" + (saved == nil ? ", which had not begun to train" : "")))
        try registry.resume(run.id)
        return run
    }

    /// The most memory that this process ever held.
    static var peakResidentBytes: Int {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        return usage.ru_maxrss * 1024
    }
}

extension TrainingSession.BranchSize {
    fileprivate init(_ task: TrainedTask, _ plan: Plan) {
        let isShared = task.branch.adapter is SharedView
        self.init(
            adapter: isShared ? "shared \(plan.sharing?.choice.kind ?? "")" : task.data.plan.adapter.kind,
            adapterParameters: task.branch.adapter.parameterCount, headParameters: task.branch.head.parameterCount,
            bestEpoch: task.bestEpoch, epochs: task.epochs)
    }
}
