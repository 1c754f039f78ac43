import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// Ways to train several tasks held against each other: the same backbone, data, tasks, schedule and seeds for all.
///
/// Each way trains all tasks, together or apart, keeps what did best on validation, and is measured on test.
public struct SharingTrial: Sendable {
    /// A way to train the tasks.
    public struct Contestant: Sendable {
        public enum Way: Sendable {
            /// Each task by itself, with an adapter of its own.
            case apart(any AdapterConfiguration)
            /// All on what they share.
            case together(SharingPlan)
        }

        public let name: String
        public let way: Way
        public let learningRate: Double
        /// Epochs at most, in each stage; `nil` for the trial's.
        public var epochs: Int?

        public init(_ name: String, _ way: Way, learningRate: Double = PlanDefaults.learningRate, epochs: Int? = nil) {
            (self.name, self.way, self.learningRate, self.epochs) = (name, way, learningRate, epochs)
        }

        public init(
            _ name: String, _ sharing: any SharingConfiguration, learningRate: Double = PlanDefaults.learningRate,
            epochs: Int? = nil
        ) {
            self.init(
                name, .together(SharingPlan(SharingChoice(sharing))), learningRate: learningRate, epochs: epochs)
        }
    }

    /// What became of a contestant, by seed.
    public struct Outcome: Sendable {
        public let name: String
        /// The primary metric, by task.
        public let validation, test: [String: [Score]]
        /// Of what was trained: shared part, adapters and heads of all tasks.
        public let parameters: Sample
        /// Of training, without features that are stored.
        public let seconds: Sample
        /// The tasks that shared something, by seed.
        public let shared: [[String]]
    }

    private let plan: Plan
    private let taskNames: [String]
    private let contestants: [Contestant]
    private let prepared: TrainingSession.Prepared
    private let conditions: Conditions

    /// Prepares data and features for all contestants at once.
    ///
    /// - Parameters:
    ///   - plan: backbone, tasks and schedule; adapters and sharing are the contestants'.
    ///   - dataset: in the place of the plan's data.
    /// - Throws: as `TrainingSession.prepare`.
    public init(_ plan: Plan, on dataset: Dataset? = nil, _ contestants: [Contestant], _ conditions: Conditions) throws {
        (self.plan, self.contestants, self.conditions) = (plan, contestants, conditions)
        taskNames = plan.tasks.map(\.name)
        var all = plan
        all.tasks = contestants.flatMap { contestant in contestant.plan(plan).tasks }
        all.features.stores = true
        let session = TrainingSession(all, store: conditions.store, workers: conditions.workers)
        let backbone = try plan.openBackbone()
        prepared = try session.prepare(
            dataset ?? plan.data.dataset(), on: backbone,
            adapters: contestants.flatMap { contestant in
                try TrainingSession(contestant.plan(plan), store: conditions.store).freshAdapters(on: backbone)
            }, conditions.cancellation, conditions.report)
    }

    /// Of the frozen backbone that all stand on.
    public var backboneParameters: Int { prepared.backbone.network.parameterCount }

    /// Trains every contestant with every seed.
    /// - Throws: what training throws; `CancellationError`.
    public func run() throws -> [Outcome] {
        let total = contestants.count * conditions.seeds.count
        return try contestants.enumerated().map { index, contestant in
            var rounds: [Round] = []
            for seed in conditions.seeds {
                conditions.report(
                    .progress(
                        title: plan.name, unit: "trials", done: index * conditions.seeds.count + rounds.count, total: total))
                rounds.append(try train(contestant, at: index, seed: seed))
            }
            if index == contestants.count - 1 {
                conditions.report(.progress(title: plan.name, unit: "trials", done: total, total: total))
            }
            func scores(_ split: Split) -> [String: [Score]] {
                Dictionary(uniqueKeysWithValues: taskNames.map { name in (name, rounds.map { $0.scores[split]![name]! }) })
            }
            return Outcome(
                name: contestant.name, validation: scores(.validation), test: scores(.test),
                parameters: Sample(rounds.map { Double($0.parameters) }), seconds: Sample(rounds.map(\.seconds)),
                shared: rounds.map(\.shared))
        }
    }

    /// All tasks of a contestant after training with one seed.
    private struct Round {
        let scores: [Split: [String: Score]]
        let parameters: Int
        let seconds: Double
        let shared: [String]
    }

    private func train(_ contestant: Contestant, at index: Int, seed: UInt64) throws -> Round {
        var plan = contestant.plan(self.plan)
        plan.train.seed = seed
        let session = TrainingSession(plan, store: conditions.store, workers: conditions.workers)
        let adapters = try session.freshAdapters(on: prepared.backbone)
        let tasks = adapters.indices.map { place in
            let task = prepared.tasks[index * taskNames.count + place]
            return BranchTask(task.data, adapter: adapters[place], features: task.features, texts: task.texts)
        }
        let start = ContinuousClock.now
        let trained: [TrainedTask]
        var shared: [String] = []
        switch contestant.way {
        case .apart:
            var trainer = try Trainer(plan.train, tasks, workers: conditions.workers)
            guard try trainer.run(cancellation: conditions.cancellation) == .finished else { throw CancellationError() }
            trained = trainer.trained
        case .together:
            let found = try session.trainTogether(
                tasks, on: prepared.backbone, nil, resumes: false, conditions.cancellation) { _ in }
            trained = found.tasks
            shared = found.plan.sharedTasks.map { taskNames[$0] }
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        var scores: [Split: [String: Score]] = [:]
        for split in [Split.validation, .test] {
            for (task, end) in zip(tasks, trained) {
                scores[split, default: [:]][end.data.name] = end.branch.metrics(
                    on: end.data.examples(in: split), of: task, precision: plan.train.precision.elementType,
                    workers: conditions.workers
                ).primary
            }
        }
        // What is shared counts once.
        let sharing = trained.lazy.compactMap { $0.branch.adapter as? SharedView }.first
        let parameters = (sharing?.parameterCount ?? 0) + trained.reduce(0) {
            $0 + $1.branch.head.parameterCount + ($1.branch.adapter is SharedView ? 0 : $1.branch.adapter.parameterCount)
        }
        return Round(scores: scores, parameters: parameters, seconds: seconds, shared: shared)
    }
}

extension SharingTrial.Contestant {
    /// A trial's plan in this way.
    fileprivate func plan(_ plan: Plan) -> Plan {
        var plan = plan
        plan.train.learningRate = learningRate
        plan.train.epochs = epochs ?? plan.train.epochs
        switch way {
        case .apart(let adapter):
            plan.sharing = nil
            for task in plan.tasks.indices { plan.tasks[task].adapter = AdapterChoice(adapter) }
        case .together(let sharing):
            plan.sharing = sharing
        }
        return plan
    }
}

/// What became of all ways of a trial, by name.
struct SharingOutcomes {
    let all: [SharingTrial.Outcome]
    /// The tasks whose scores count; the others are there for what they do to these.
    let counted: [String]

    init(_ all: [SharingTrial.Outcome], counting tasks: [String]) { (self.all, counted) = (all, tasks) }

    /// - Precondition: there is a contestant of this name.
    subscript(name: String) -> SharingTrial.Outcome { all.first { $0.name == name }! }

    /// The mean over the counted tasks of the primary metric on test, a value for each seed.
    func score(_ name: String) -> Sample {
        let test = self[name].test
        return Sample(
            test[counted[0]]!.indices.map { seed in
                counted.reduce(0) { $0 + test[$1]![seed].value } / Double(counted.count)
            })
    }

    /// The mean relative gain over another way on test, a value for each seed.
    func relativeGain(of name: String, over reference: String) -> Sample {
        let (one, other) = (self[name].test, self[reference].test)
        return Sample(
            one[counted[0]]!.indices.map { seed in
                RelativeGain.mean(counted.map { one[$0]![seed] }, over: counted.map { other[$0]![seed] })
            })
    }

    /// The table: the mean score, the relative gain over a reference, and what each way costs.
    func findings(over reference: String, _ checks: [Check]) -> Findings {
        let rows = all.map { outcome in
            Findings.Row(
                outcome.name,
                [
                    score(outcome.name), relativeGain(of: outcome.name, over: reference), outcome.parameters,
                    outcome.seconds,
                ])
        }
        return Findings(
            [
                .init("mean score", .percent), .init("relative gain over \(reference)", .percent),
                .init("trained parameters", .count), .init("training time", .seconds),
            ], rows, checks)
    }

    /// `first` scores better than `second` by so much, in the mean over tasks and seeds on test.
    func gain(of first: String, over second: String, atLeast bound: Double, _ sentence: String? = nil) -> Check {
        Check(
            sentence ?? "\(first) beats \(second)", score(first).mean - score(second).mean, .atLeast, bound, .points)
    }
}
