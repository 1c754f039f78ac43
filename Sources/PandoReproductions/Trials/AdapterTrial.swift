import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// Adapters held against each other: the same backbone, data, tasks, schedule and seeds for all.
///
/// Each trains a branch of its own for each task, alone, and the branch that did best on validation is measured on test.
public struct AdapterTrial: Sendable {
    /// An adapter with its head, and how quickly it learns.
    public struct Contestant: Sendable {
        public let name: String
        public let adapter: any AdapterConfiguration
        public let learningRate: Double
        public var head: HeadPlan
        /// Whether only what it costs is measured, in two steps.
        public var isRehearsed: Bool

        public init(
            _ name: String, _ adapter: any AdapterConfiguration, learningRate: Double = PlanDefaults.learningRate,
            head: HeadPlan = HeadPlan(), isRehearsed: Bool = false
        ) {
            (self.name, self.adapter, self.learningRate) = (name, adapter, learningRate)
            (self.head, self.isRehearsed) = (head, isRehearsed)
        }
    }

    /// What became of a contestant, by seed.
    public struct Outcome: Sendable {
        public let name: String
        /// The primary metric, by task; empty if it was rehearsed.
        public let validation, test: [String: Sample]
        /// Of adapter and head, of the largest branch.
        public let parameters: Sample
        /// The most that tensors held while a branch was trained, above what was live before.
        public let memory: Sample
        /// The most that was kept for the backward pass.
        public let activations: Sample
        /// Of training all tasks, without features that are stored; `nil` if it was rehearsed.
        public let seconds: Sample?

        /// On test, the mean over tasks and seeds.
        public var score: Double { test.values.reduce(0) { $0 + $1.mean } / Double(test.count) }
        /// On validation, the mean over tasks and seeds.
        public var validationScore: Double { validation.values.reduce(0) { $0 + $1.mean } / Double(validation.count) }
    }

    private let plan: Plan
    private let taskNames: [String]
    private let contestants: [Contestant]
    private let prepared: TrainingSession.Prepared
    private let conditions: Conditions

    /// Prepares data and features for all contestants at once.
    ///
    /// - Parameters:
    ///   - plan: backbone, tasks and schedule; each task's adapter and head are a contestant's.
    ///   - dataset: in the place of the plan's data.
    /// - Throws: as `TrainingSession.prepare`.
    public init(_ plan: Plan, on dataset: Dataset? = nil, _ contestants: [Contestant], _ conditions: Conditions) throws {
        var plan = plan
        taskNames = plan.tasks.map(\.name)
        plan.tasks = contestants.flatMap { contestant in
            plan.tasks.map { task in
                var task = task
                (task.adapter, task.head) = (AdapterChoice(contestant.adapter), contestant.head)
                return task
            }
        }
        plan.features.stores = true
        (self.plan, self.contestants, self.conditions) = (plan, contestants, conditions)
        let session = TrainingSession(plan, store: conditions.store, workers: conditions.workers)
        let backbone = try plan.openBackbone()
        prepared = try session.prepare(
            dataset ?? plan.data.dataset(), on: backbone, adapters: session.freshAdapters(on: backbone),
            conditions.cancellation, conditions.report)
    }

    /// Trains every contestant on every task with every seed.
    /// - Throws: what training throws; `CancellationError`.
    public func run() throws -> [Outcome] {
        var tallies = contestants.map { _ in Tally() }
        let total = contestants.count * conditions.seeds.count
        for (round, seed) in conditions.seeds.enumerated() {
            var seeded = plan
            seeded.train.seed = seed
            let session = TrainingSession(seeded, store: conditions.store, workers: conditions.workers)
            let adapters = try session.freshAdapters(on: prepared.backbone)
            for (index, contestant) in contestants.enumerated() {
                conditions.report(
                    .progress(title: plan.name, unit: "trials", done: round * contestants.count + index, total: total))
                var schedule = seeded.train
                schedule.learningRate = contestant.learningRate
                if contestant.isRehearsed { schedule.epochs = 1 }
                let places = index * taskNames.count..<(index + 1) * taskNames.count
                tallies[index].add(
                    try places.map { place in
                        let task = prepared.tasks[place]
                        let data = contestant.isRehearsed ? task.data.rehearsal(batchSize: schedule.batchSize) : task.data
                        return try train(
                            BranchTask(data, adapter: adapters[place], features: task.features, texts: task.texts),
                            schedule)
                    })
            }
        }
        conditions.report(.progress(title: plan.name, unit: "trials", done: total, total: total))
        return zip(contestants, tallies).map { $1.outcome(of: $0) }
    }

    /// One branch, trained and measured.
    private func train(_ task: BranchTask, _ schedule: TrainPlan) throws -> Trained {
        let start = ContinuousClock.now
        let measured = try MemoryMeter.measure {
            var trainer = try Trainer(schedule, [task], workers: conditions.workers)
            let ending = try trainer.run(cancellation: conditions.cancellation)
            if ending == .interrupted { throw CancellationError() }
            return trainer.trained[0].branch
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        func score(_ split: Split) -> Double {
            measured.result.metrics(
                on: task.data.examples(in: split), of: task, precision: schedule.precision.elementType,
                workers: conditions.workers
            ).primary.value
        }
        return Trained(
            task: task.data.name, validation: score(.validation), test: score(.test),
            parameters: measured.result.parameterCount, memory: measured.peakBytes,
            activations: measured.peaks.activations - measured.start.activations, seconds: seconds)
    }
}

extension TaskData {
    /// Two batches to train on, and a few examples to measure on.
    fileprivate func rehearsal(batchSize: Int) -> TaskData { limited(training: 2 * batchSize, elsewhere: batchSize) }
}

/// One branch after training.
private struct Trained {
    let task: String
    let validation, test: Double
    let parameters, memory, activations: Int
    let seconds: Double
}

/// A contestant's numbers as they come, a value for each seed.
private struct Tally {
    private var validation: [String: [Double]] = [:]
    private var test: [String: [Double]] = [:]
    private var parameters: [Double] = []
    private var memory: [Double] = []
    private var activations: [Double] = []
    private var seconds: [Double] = []

    /// The branches of one seed, one for each task.
    mutating func add(_ branches: [Trained]) {
        for branch in branches {
            validation[branch.task, default: []].append(branch.validation)
            test[branch.task, default: []].append(branch.test)
        }
        func largest(_ number: (Trained) -> Int) -> Double { Double(branches.map(number).max() ?? 0) }
        parameters.append(largest(\.parameters))
        memory.append(largest(\.memory))
        activations.append(largest(\.activations))
        seconds.append(branches.reduce(0) { $0 + $1.seconds })
    }

    func outcome(of contestant: AdapterTrial.Contestant) -> AdapterTrial.Outcome {
        let isScored = !contestant.isRehearsed
        return AdapterTrial.Outcome(
            name: contestant.name, validation: isScored ? validation.mapValues { Sample($0) } : [:],
            test: isScored ? test.mapValues { Sample($0) } : [:], parameters: Sample(parameters), memory: Sample(memory),
            activations: Sample(activations), seconds: isScored ? Sample(seconds) : nil)
    }
}
