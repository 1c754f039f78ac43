import Foundation
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTestSupport
import Synchronization
import Testing

@testable import PandoTraining

/// A small world: features whose first columns decide every label, with noise in the others.
struct SyntheticTasks {
    static let columns = 12
    let features: TensorFeatures
    let texts: TensorFeatures
    let dataset: Dataset

    /// - Parameter unlabelled: of every so many examples one has no label for `kind`.
    init(count: Int = 240, unlabelled: Int? = nil, seed: UInt64 = 1) {
        var generator = SeededGenerator(seed: seed)
        let values = Tensor.normal([count, Self.columns], using: &generator)
        let rows = values.scalars()
        func value(_ row: Int, _ column: Int) -> Float { rows[row * Self.columns + column] }
        var examples: [Example] = []
        for row in 0..<count {
            let split: Split = row % 4 < 2 ? .train : row % 4 == 2 ? .validation : .test
            let kind = ["a", "b", "c"][(0..<3).max { value(row, $0) < value(row, $1) } ?? 0]
            var labels: [String: Label] = [
                "kind": .category(kind),
                "tags": .categories((0..<4).filter { value(row, 3 + $0) > 0.3 }.map { "tag\($0)" }),
                "size": .number(Double(50 + 10 * value(row, 7) - 5 * value(row, 8))),
                "title": .text("text \(row)"),
            ]
            if let unlabelled, row % unlabelled == 0 { labels["kind"] = nil }
            examples.append(Example(id: "\(row)", split: split, image: nil, labels: labels))
        }
        dataset = Dataset(name: "synthetic", examples: examples)
        features = TensorFeatures(values)
        // Texts see the same world through other eyes.
        texts = TensorFeatures(matmul(values, .normal([Self.columns, 6], using: &generator)))
    }

    static let plan = Plan(
        name: "synthetic", data: DataPlan(kind: .scenes),
        tasks: [
            TaskPlan(name: "kind", kind: .classification),
            TaskPlan(name: "tags", kind: .multilabel, head: HeadPlan(kind: .mlp, hidden: 16)),
            TaskPlan(name: "size", kind: .regression),
            TaskPlan(name: "title", kind: .retrieval, head: HeadPlan(projection: 6)),
        ], train: TrainPlan(epochs: 4, batchSize: 16))

    func tasks(_ plan: Plan = plan) throws -> [TaskData] { try TaskData.prepare(plan, on: dataset) }

    func trainer(_ plan: Plan = plan, checkpointInterval: Double = 10) throws -> Trainer {
        try Trainer(plan.train, branches(plan), checkpointInterval: checkpointInterval)
    }

    /// The tasks on these vectors, or on others.
    func branches(_ plan: Plan = plan, vectors: TensorFeatures? = nil) throws -> [BranchTask] {
        try tasks(plan).map { data in
            BranchTask(data, vectors: vectors ?? features, texts: data.plan.kind == .retrieval ? texts : nil)
        }
    }
}

private func bits(_ head: TaskHead) -> [String: [UInt32]] {
    Dictionary(uniqueKeysWithValues: head.namedTensors.map { ($0.name, $0.tensor.scalars().map(\Float.bitPattern)) })
}

@Suite struct TrainerTests {
    @Test func `every kind of task learns, and the best head is at least as good as the closed-form start`() throws {
        let world = SyntheticTasks()
        var trainer = try world.trainer()
        let starts = Dictionary(uniqueKeysWithValues: trainer.startReports.map { ($0.task, $0.validation) })
        let reports = Mutex<[EpochReport]>([])
        let ending = try trainer.run { report in reports.withLock { $0.append(report) } }
        #expect(ending == .finished)
        for trained in trainer.trained {
            let metrics = trained.branch.head.metrics(
                on: trained.data.examples(in: .validation), features: world.features, texts: world.texts)
            let start = try #require(starts[trained.data.name])
            #expect(!start.watched.isBetter(than: metrics.watched))
            let goals: [String: Double] = ["kind": 0.8, "tags": 0.9, "size": 1.0, "title": 0.7]
            let expected = goals[trained.data.name] ?? 0
            #expect(
                !Score("goal", expected, largerIsBetter: start.primary.largerIsBetter).isBetter(than: metrics.primary),
                "\(trained.data.name): \(metrics.primary)")
            let own = reports.withLock { $0.filter { $0.task == trained.data.name } }
            #expect(own.map(\.epoch) == Array(1...own.count))
            #expect(own.last?.isLast == true)
            #expect(own.dropLast().allSatisfy { !$0.isLast })
            if trained.bestEpoch > 0 { #expect(own[trained.bestEpoch - 1].validation.primary == metrics.primary) }
        }
    }

    @Test func `the same seed gives the same bits, another seed others`() throws {
        let world = SyntheticTasks()
        func heads(_ seed: UInt64) throws -> [[String: [UInt32]]] {
            var plan = SyntheticTasks.plan
            plan.train.seed = seed
            var trainer = try world.trainer(plan)
            _ = try trainer.run()
            return trainer.trained.map { bits($0.branch.head) }
        }
        let first = try heads(3)
        #expect(try heads(3) == first)
        #expect(try heads(4) != first)
    }

    @Test(arguments: [TrainPlan.Optimizer.adamw, .sgd])
    func `an interrupted run goes on from its checkpoint to the same bits as an unbroken one`(
        optimizer: TrainPlan.Optimizer
    ) throws {
        let world = SyntheticTasks()
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("checkpoint.safetensors")
        var plan = SyntheticTasks.plan
        plan.train.optimizer = optimizer
        plan.train.learningRate = 0.01
        var unbroken = try world.trainer(plan)
        _ = try unbroken.run()

        var trainer = try world.trainer(plan)
        var interruptions = 0
        while true {
            let flag = CancellationFlag()
            let seen = Atomic<Int>(0)
            let ending = try trainer.run(checkpoint: file, cancellation: flag) { _ in
                if seen.wrappingAdd(1, ordering: .relaxed).newValue == 3 { flag.cancel() }
            }
            if ending == .finished { break }
            interruptions += 1
            trainer = try Trainer(resuming: file, plan.train, world.branches(plan))
        }
        #expect(interruptions >= 2)
        for (one, other) in zip(trainer.trained, unbroken.trained) {
            #expect(bits(one.branch.head) == bits(other.branch.head), "\(one.data.name)")
            #expect(one.bestEpoch == other.bestEpoch)
            #expect(one.epochs == other.epochs)
        }
    }

    @Test func `examples without a label count neither in training nor in the metric`() throws {
        let world = SyntheticTasks(unlabelled: 3)
        let tasks = try world.tasks()
        let kind = try #require(tasks.first { $0.name == "kind" })
        #expect(kind.examples(in: .train).rows.allSatisfy { $0 % 3 != 0 && $0 % 4 < 2 })
        #expect(kind.examples(in: .train).count == 80)
        #expect(tasks.first { $0.name == "size" }?.examples(in: .train).count == 120)
        // Their features do not matter: with others in their rows the head is the same, bit for bit.
        var plan = SyntheticTasks.plan
        plan.tasks = [plan.tasks[0]]
        var values = world.features.rows(Array(0..<240)).scalars()
        for row in stride(from: 0, to: 240, by: 3) { values[row * SyntheticTasks.columns] = 1_000 }
        let changed = TensorFeatures(Tensor(values, shape: [240, SyntheticTasks.columns]))
        let heads = try [world.features, changed].map { features in
            var trainer = try Trainer(plan.train, world.branches(plan, vectors: features))
            _ = try trainer.run()
            return bits(trainer.trained[0].branch.head)
        }
        #expect(heads[0] == heads[1])
    }

    @Test func `a task stops when it gets no better for as long as its patience`() throws {
        let world = SyntheticTasks()
        var plan = SyntheticTasks.plan
        plan.tasks = [plan.tasks[0]]
        plan.train.epochs = 50
        plan.train.patience = 2
        plan.train.learningRate = 0
        var trainer = try world.trainer(plan)
        _ = try trainer.run()
        #expect(trainer.trained[0].epochs == 2)
        #expect(trainer.trained[0].bestEpoch == 0)
    }

    @Test func `a loss that is no number stops training, names the culprit and keeps the last good state`() throws {
        let world = SyntheticTasks()
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("checkpoint.safetensors")
        var plan = SyntheticTasks.plan
        plan.tasks = [plan.tasks[2]]
        plan.train.learningRate = 1_000
        plan.train.weightDecay = 1_000
        plan.train.epochs = 60
        plan.train.warmup = 0
        plan.train.patience = 60
        var trainer = try world.trainer(plan)
        #expect {
            _ = try trainer.run(checkpoint: file)
        } throws: { error in
            guard case .notFinite(let task, _, let culprit) = error as? TrainingError else { return false }
            return task == "size" && (culprit.contains("loss") || culprit.contains("weight"))
        }
        #expect(trainer.trained[0].branch.namedTensors.allSatisfy { $0.tensor.isFinite })
        #expect(FileManager.default.fileExists(atPath: file.path))
    }

    @Test func `a feature that is no number is named by its example`() throws {
        let world = SyntheticTasks()
        var values = world.features.rows(Array(0..<240)).scalars()
        var plan = SyntheticTasks.plan
        plan.tasks = [plan.tasks[0]]
        var task = TaskTrainer(try world.branches(plan)[0], plan: plan.train, workers: 1)
        values[5 * SyntheticTasks.columns + 2] = .nan
        let broken = TensorFeatures(Tensor(values, shape: [240, SyntheticTasks.columns]))
        task = TaskTrainer(
            try world.branches(plan, vectors: broken)[0], plan: plan.train, workers: 1, branch: task.branch,
            generator: SeededGenerator(seed: 1))
        #expect { try task.trainEpoch(cancellation: nil) } throws: { "\($0)".contains("the features of example 5 are not finite") }
    }

    @Test func `a checkpoint of another plan, of other data, or none is refused`() throws {
        let world = SyntheticTasks()
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("checkpoint.safetensors")
        let flag = CancellationFlag()
        flag.cancel()
        var trainer = try world.trainer()
        #expect(try trainer.run(checkpoint: file, cancellation: flag) == .interrupted)
        func resume(_ world: SyntheticTasks, _ plan: Plan, _ file: URL) throws {
            _ = try Trainer(resuming: file, plan.train, world.branches(plan))
        }
        try resume(world, SyntheticTasks.plan, file)
        var other = SyntheticTasks.plan
        other.train.batchSize = 17
        #expect { try resume(world, other, file) } throws: { "\($0)".contains("the plan or the data has changed") }
        #expect { try resume(SyntheticTasks(seed: 2), SyntheticTasks.plan, file) } throws: { "\($0)".contains("has changed") }
        try Data("not a checkpoint".utf8).write(to: file)
        #expect { try resume(world, SyntheticTasks.plan, file) } throws: { "\($0)".contains(file.path) }
        #expect(throws: TrainingError.self) {
            try resume(world, SyntheticTasks.plan, folder.url.appendingPathComponent("nowhere"))
        }
    }
}
