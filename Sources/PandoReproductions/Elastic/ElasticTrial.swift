import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// What several tasks share, trained in several ways on the same data with the same seeds, to be run at any of its costs.
struct ElasticTrial {
    /// A way to train.
    struct Contestant {
        let name: String
        let sharing: any SharingConfiguration
    }

    /// Everything that a seed made of a contestant.
    struct Trained {
        let policy: any Elastic
        let heads: [TaskHead]
        let tasks: [BranchTask]
        let workers: Int

        /// The primary metric of each task of the policy as it runs at a point.
        func scores(_ running: any Sharing, in split: Split) -> [Double] {
            tasks.indices.map { index in
                Branch(adapter: SharedView(running, task: index), head: heads[index]).metrics(
                    on: tasks[index].data.examples(in: split), of: tasks[index], precision: .float32, workers: workers
                ).primary.value
            }
        }

        func scores(at point: OperatingPoint, in split: Split) -> [Double] { scores(policy.running(at: point), in: split) }

        /// The features of some validation examples, to measure time with.
        func sample(_ count: Int) -> Features {
            tasks[0].features.features(Array(tasks[0].data.examples(in: .validation).rows.prefix(count)), workers: workers)
        }
    }

    private let plan: Plan
    private let contestants: [Contestant]
    private let prepared: TrainingSession.Prepared
    private let conditions: Conditions

    /// Prepares data and features for all contestants at once.
    /// - Precondition: all contestants ask for the same features.
    init(_ plan: Plan, on dataset: Dataset, _ contestants: [Contestant], _ conditions: Conditions) throws {
        var plan = plan
        plan.features.stores = true
        plan.sharing = SharingPlan(SharingChoice(contestants[0].sharing))
        (self.plan, self.contestants, self.conditions) = (plan, contestants, conditions)
        let session = TrainingSession(plan, store: conditions.store, workers: conditions.workers)
        let backbone = try plan.openBackbone()
        prepared = try session.prepare(
            dataset, on: backbone, adapters: session.freshAdapters(on: backbone), conditions.cancellation,
            conditions.report)
    }

    /// Trains every contestant with every seed, and hands the contestants of each seed to `measure`, by name.
    /// - Throws: what training and `measure` throw; `CancellationError`.
    func run<Found>(_ measure: ([String: Trained]) throws -> Found) throws -> [Found] {
        let total = contestants.count * conditions.seeds.count
        var done = 0
        func tell() { conditions.report(.progress(title: plan.name, unit: "trials", done: done, total: total)) }
        return try conditions.seeds.map { seed in
            var trained: [String: Trained] = [:]
            for contestant in contestants {
                tell()
                trained[contestant.name] = try train(contestant.sharing, seed: seed)
                done += 1
            }
            tell()
            return try measure(trained)
        }
    }

    private func train(_ sharing: any SharingConfiguration, seed: UInt64) throws -> Trained {
        var seeded = plan
        seeded.train.seed = seed
        seeded.sharing = SharingPlan(SharingChoice(sharing))
        let session = TrainingSession(seeded, store: conditions.store, workers: conditions.workers)
        let tasks = try zip(prepared.tasks, session.freshAdapters(on: prepared.backbone)).map { task, adapter in
            BranchTask(task.data, adapter: adapter, features: task.features, texts: task.texts)
        }
        let ended = try session.trainTogether(
            tasks, on: prepared.backbone, nil, resumes: false, conditions.cancellation) { _ in }.tasks
        guard let view = ended[0].branch.adapter as? SharedView, let policy = view.sharing as? any Elastic else {
            throw ReproductionError("\(plan.name): what was trained cannot be run at several costs")
        }
        return Trained(policy: policy, heads: ended.map(\.branch.head), tasks: tasks, workers: conditions.workers)
    }
}

extension DebianTrial {
    /// Elastic policies on so many packages to train on, and so many each to choose by and to test on.
    static func makeElastic(
        _ name: String, _ tasks: [TaskPlan], training: Int, elsewhere: Int, epochs: Int, learningRate: Double,
        _ contestants: [ElasticTrial.Contestant], _ conditions: Conditions
    ) throws -> ElasticTrial {
        let plan = Plan(
            name: name, backbone: try .fetchedSentenceEncoder(maximumTokens: 32), data: DataPlan(kind: .debian),
            tasks: tasks,
            train: TrainPlan(
                epochs: epochs, batchSize: 32, learningRate: learningRate, patience: epochs, precision: .float32))
        let dataset = try plan.data.dataset().choosing(
            training: training, elsewhere: elsewhere, labelledIn: tasks[tasks.count - 1].name)
        return try ElasticTrial(plan, on: dataset, contestants, conditions)
    }
}
