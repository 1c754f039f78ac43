import Foundation
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import Synchronization

/// What training leaves of one task.
public struct TrainedTask: Sendable {
    public let data: TaskData
    /// The branch that did best on validation.
    public let branch: Branch
    /// The epoch it is from; 0 is the start.
    public let bestEpoch: Int
    /// Epochs trained in all.
    public let epochs: Int
}

/// Trains the branches of several tasks on features of a frozen backbone.
///
/// In an epoch a task passes once over its own training examples and is measured on validation; as many tasks as
/// there are workers train at a time, the one furthest behind first. Where fewer tasks are left, or one's adapter sends
/// gradients into the backbone and so takes much memory, a task has several workers for itself. A checkpoint, if asked for, is written every few
/// seconds and when training is interrupted or fails, always of whole epochs; training on from it gives, bit for bit,
/// what an unbroken run gives.
public struct Trainer: Sendable {
    private var tasks: [TaskTrainer]
    private let fingerprint: String
    private let workers: Int
    /// Seconds between checkpoints.
    private let checkpointInterval: Double

    /// How a call of `run` ended.
    public enum Ending: Sendable, Hashable { case finished, interrupted }

    /// Prepares the tasks: statistics and closed-form solutions, several tasks at a time.
    public init(
        _ plan: TrainPlan, _ tasks: [BranchTask], workers: Int = MachineResources.allowedCores,
        checkpointInterval: Double = 10
    ) throws {
        let share = Self.workersPerTask(tasks, workers)
        self.workers = workers
        self.tasks = try mapConcurrently(count: tasks.count, workers: workers / share) { index in
            TaskTrainer(tasks[index], plan: plan, workers: share)
        }
        fingerprint = TrainingCheckpoint.fingerprint(plan, tasks)
        self.checkpointInterval = checkpointInterval
    }

    /// Goes on from a checkpoint.
    /// - Throws: `TrainingError.unusableCheckpoint` if it was made with another plan or other data.
    public init(
        resuming checkpoint: URL, _ plan: TrainPlan, _ tasks: [BranchTask],
        workers: Int = MachineResources.allowedCores, checkpointInterval: Double = 10
    ) throws(TrainingError) {
        let share = Self.workersPerTask(tasks, workers)
        self.workers = workers
        fingerprint = TrainingCheckpoint.fingerprint(plan, tasks)
        let stored = try TrainingCheckpoint(reading: checkpoint, expecting: fingerprint)
        self.tasks = []
        for task in tasks { self.tasks.append(try stored.trainer(for: task, plan: plan, workers: share)) }
        self.checkpointInterval = checkpointInterval
    }

    /// How many threads share a batch of one task.
    private static func workersPerTask(_ tasks: [BranchTask], _ workers: Int) -> Int {
        if tasks.contains(where: { $0.adapter.gradientEntry != nil }) { return workers }
        if tasks.allSatisfy({ $0.adapter is Probe }) { return 1 }
        return max(1, workers / max(tasks.count, 1))
    }

    /// Epochs that all tasks together have done.
    public var epochsDone: Int { tasks.reduce(0) { $0 + $1.epoch } }

    /// The reports of epoch 0: how good the closed-form starts are.
    public var startReports: [EpochReport] { tasks.map { $0.startReport() } }

    /// Trains until every task is done, or until `cancellation` is set.
    ///
    /// - Parameters:
    ///   - checkpoint: where the state goes; `nil` keeps none.
    ///   - report: called after each task's epoch, from several threads, one at a time.
    /// - Throws: `TrainingError.notFinite`, or a `FileError` of the checkpoint. The heads of the last good epoch stay.
    public mutating func run(
        checkpoint: URL? = nil, cancellation: CancellationFlag? = nil, report: @Sendable (EpochReport) -> Void = { _ in }
    ) throws -> Ending {
        let state = Mutex(State(tasks: tasks, busy: [], failure: nil, savedAt: Date()))
        let trainer = self
        let threads = min(tasks.count, max(1, workers / (tasks.first?.workers ?? 1)))
        try forEachConcurrently(count: threads, workers: threads) { _, _ in
            while let task = state.withLock({ $0.next(cancellation) }) {
                trainer.trainEpoch(of: task, state, cancellation, report)
                try state.withLock { state in
                    guard Date().timeIntervalSince(state.savedAt) >= trainer.checkpointInterval else { return }
                    try trainer.save(state.tasks, to: checkpoint)
                    state.savedAt = Date()
                }
            }
        }
        let end = state.withLock { $0 }
        tasks = end.tasks
        if let failure = end.failure {
            try save(tasks, to: checkpoint)
            throw failure.error
        }
        guard tasks.contains(where: { !$0.isDone }) else { return .finished }
        try save(tasks, to: checkpoint)
        return .interrupted
    }

    /// What the threads share: the tasks after their last whole epoch, and who is at work on which.
    private struct State: Sendable {
        var tasks: [TaskTrainer]
        var busy: Set<Int>
        var failure: (task: Int, error: TrainingError)?
        var savedAt: Date

        /// Takes the unfinished task that is furthest behind; `nil` if there is nothing left to begin.
        mutating func next(_ cancellation: CancellationFlag?) -> Int? {
            guard failure == nil, cancellation?.isCancelled != true else { return nil }
            let open = tasks.indices.filter { !tasks[$0].isDone && !busy.contains($0) }
            guard let task = open.min(by: { (tasks[$0].epoch, $0) < (tasks[$1].epoch, $1) }) else { return nil }
            busy.insert(task)
            return task
        }
    }

    /// One epoch of one task, which stays as it was if the epoch fails or is cancelled.
    private func trainEpoch(
        of index: Int, _ state: borrowing Mutex<State>, _ cancellation: CancellationFlag?,
        _ report: @Sendable (EpochReport) -> Void
    ) {
        var task = state.withLock { $0.tasks[index] }
        do throws(TrainingError) {
            let done = try task.trainEpoch(cancellation: cancellation)
            state.withLock { state in
                state.busy.remove(index)
                guard let done else { return }
                state.tasks[index] = task
                report(done)
            }
        } catch {
            state.withLock { state in
                state.busy.remove(index)
                if index < state.failure?.task ?? .max { state.failure = (index, error) }
            }
        }
    }

    /// The best heads so far.
    public var trained: [TrainedTask] {
        tasks.map { TrainedTask(data: $0.data, branch: $0.best.branch, bestEpoch: $0.best.epoch, epochs: $0.epoch) }
    }

    private func save(_ tasks: [TaskTrainer], to checkpoint: URL?) throws {
        guard let checkpoint else { return }
        try TrainingCheckpoint(of: tasks, fingerprint: fingerprint, at: checkpoint).write()
    }
}
