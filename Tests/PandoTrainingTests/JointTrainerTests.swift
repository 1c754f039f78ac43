import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoTraining

/// Weights as gradient-reading methods give them, the same at every step.
private struct FixedWeights: Balancing {
    var values: [Float]
    var readsGradients: Bool
    var weighsLosses = true
    /// The inner products of the last step.
    var seen: [Double] = []
    var state: [String: Tensor] { get { [:] } set {} }

    mutating func weights(for step: BalancingStep) -> [Float] {
        seen = step.gramian
        return step.tasks.map { values[$0] }
    }
}

extension SyntheticTasks {
    /// The world's tasks on a hidden layer that all share.
    func joint(_ plan: Plan = plan, hidden: Int = 24) throws -> JointTasks {
        var generator = SeededGenerator(seed: 5)
        let tasks = try tasks(plan)
        let trunk = MLP(vectorLength: Self.columns, hidden: hidden, using: &generator)
        return JointTasks(
            tasks, sharing: SharedTrunk(trunk, taskCount: tasks.count), features: features,
            texts: ["title": texts])
    }

    /// The plan without texts, whose loss keeps a batch whole.
    static var simple: Plan {
        var plan = plan
        plan.tasks.removeLast()
        return plan
    }
}

private func bits(_ branches: SharedBranches) -> [String: [UInt32]] {
    Dictionary(uniqueKeysWithValues: branches.namedTensors.map { ($0.name, $0.tensor.scalars().map(\Float.bitPattern)) })
}

@Suite struct JointTrainerTests {
    private func trainer(
        _ world: SyntheticTasks, _ plan: Plan = SyntheticTasks.plan, staging: JointStaging = .joint,
        balancing: any Balancing = EqualBalancing(), workers: Int = 2
    ) throws -> JointTrainer {
        let joint = try world.joint(plan)
        return JointTrainer(
            plan.train, joint, stages: staging.stages(sizes: joint.sizes, plan.train, mixture: TaskMixture()),
            balancing: balancing, workers: workers)
    }

    @Test(arguments: [JointStaging.joint, JointStaging(filters: false, beginsWithLargeTasks: true)])
    func `every kind of task learns on what all share`(staging: JointStaging) throws {
        let world = SyntheticTasks()
        var plan = SyntheticTasks.plan
        plan.train.epochs = 25
        plan.train.learningRate = 5e-3
        var trainer = try trainer(world, plan, staging: staging)
        #expect(try trainer.run() == .finished)
        let goals: [String: Double] = ["kind": 0.75, "tags": 0.85, "size": 4.5, "title": 0.3]
        for (task, metrics) in trainer.metrics(in: .validation) {
            let name = trainer.joint.tasks[task].name
            let goal = Score("goal", goals[name] ?? 0, largerIsBetter: metrics.primary.largerIsBetter)
            #expect(!goal.isBetter(than: metrics.primary), "\(name): \(metrics.primary)")
        }
        // A task's branch by itself says what the joint measurement says.
        for (number, trained) in trainer.trained.enumerated() {
            let task = BranchTask(
                trained.data, adapter: trained.branch.adapter, features: world.features,
                texts: trained.data.plan.kind == .retrieval ? world.texts : nil)
            let alone = trained.branch.metrics(
                on: trained.data.examples(in: .validation), of: task, precision: .float32, workers: 1)
            #expect(abs(alone.primary.value - trainer.metrics(in: .validation)[number]!.primary.value) < 1e-6)
        }
    }

    @Test func `an interrupted run goes on from its checkpoint to the same bits as an unbroken one`() throws {
        let world = SyntheticTasks()
        let folder = try TemporaryFolder()
        let file = folder.url.appendingPathComponent("checkpoint.safetensors")
        let staging = JointStaging(filters: false, beginsWithLargeTasks: true)
        var unbroken = try trainer(world, staging: staging)
        _ = try unbroken.run()
        var trainer = try trainer(world, staging: staging)
        var interruptions = 0
        while true {
            let flag = CancellationFlag()
            let ending = try trainer.run(
                checkpoint: file, fingerprint: "same", cancellation: flag, progress: { _, _ in }, { _ in flag.cancel() })
            if ending == .finished { break }
            interruptions += 1
            trainer = try JointTrainer(
                resuming: file, fingerprint: "same", SyntheticTasks.plan.train, world.joint(),
                stages: unbroken.stages, balancing: EqualBalancing())
        }
        #expect(interruptions >= 3)
        #expect(bits(trainer.branches) == bits(unbroken.branches))
        #expect(trainer.trained.map(\.bestEpoch) == unbroken.trained.map(\.bestEpoch))
        #expect {
            _ = try JointTrainer(
                resuming: file, fingerprint: "another", SyntheticTasks.plan.train, world.joint(),
                stages: unbroken.stages, balancing: EqualBalancing())
        } throws: { "\($0)".contains("the plan or the data has changed") }
    }

    @Test func `weights multiply gradients alike, whether they are found from losses or from gradients`() throws {
        let world = SyntheticTasks()
        let weights: [Float] = [0.5, 2, 1]
        var plan = SyntheticTasks.simple
        for task in plan.tasks.indices { plan.tasks[task].head.dropout = 0 }
        // Dropout would draw in another order.
        let exact = try [false, true].map { reads in
            var trainer = try trainer(
                world, plan, balancing: FixedWeights(values: weights, readsGradients: reads), workers: 1)
            try trainer.takeStep(learningRate: 0.1)
            return trainer.branches
        }
        for (one, other) in zip(exact[0].namedTensors, exact[1].namedTensors) {
            let difference = zip(one.tensor.scalars(), other.tensor.scalars()).map { abs($0 - $1) }.max() ?? 0
            #expect(difference < 2e-3, "\(one.name): \(difference)")
        }
    }

    @Test func `inner products are those of the gradients in what is shared`() throws {
        let world = SyntheticTasks()
        var plan = SyntheticTasks.simple
        for task in plan.tasks.indices { plan.tasks[task].head.dropout = 0 }
        var trainer = try trainer(
            world, plan, balancing: FixedWeights(values: [1, 1, 1], readsGradients: true), workers: 2)
        // Heads begin with zeros, through which no gradient passes.
        for _ in 0..<3 { try trainer.takeStep(learningRate: 0.01) }
        let drawn = [[0, 1, 2, 3], [4, 5], [6, 7, 8]]
        let gradients = (0..<3).map { task in
            let examples = trainer.joint.tasks[task].examples(in: .train)
            let targets = examples.batch(drawn[task], texts: nil)
            let vectors = world.features.features(drawn[task].map { examples.rows[$0] }, workers: 1)
            let (_, gradients) = valueAndGradients(of: trainer.branches) { branches in
                var none: SeededGenerator?
                return branches.heads[task].loss(
                    branches.sharing(vectors, for: [task])[0], targets, using: &none)
            }
            let names = trainer.branches.namedTensors.filter(\.isParameter).map(\.name)
            return zip(names, gradients.tensors).filter { $0.0.hasPrefix("sharing.") }.flatMap { $0.1.scalars() }
        }
        try trainer.takeStep(on: drawn)
        let seen = try #require((trainer.balancing as? FixedWeights)?.seen)
        #expect(seen[0] > 0 && seen[4] > 0 && seen[8] > 0)
        for first in 0..<3 {
            for second in 0..<3 {
                let expected = zip(gradients[first], gradients[second]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                let scale = (seen[first * 4] * seen[second * 4]).squareRoot()
                #expect(abs(seen[first * 3 + second] - expected) < 1e-4 * scale)
            }
        }
    }

    @Test func `a stage leaves the heads of other tasks alone, and the next begins where it ended`() throws {
        let world = SyntheticTasks()
        var plan = SyntheticTasks.simple
        plan.train.epochs = 2
        let stages = [
            JointStage("first", tasks: [0, 2], epochs: 2, patience: 5),
            JointStage("all", tasks: [0, 1, 2], epochs: 2, patience: 5, rateScale: 0.5),
        ]
        var trainer = JointTrainer(
            plan.train, try world.joint(plan), stages: stages, balancing: EqualBalancing(), workers: 2)
        let before = trainer.branches
        #expect(try trainer.trainEpoch()?.map(\.task) == ["kind", "size"])
        for (one, other) in zip(before.heads[1].namedTensors, trainer.branches.heads[1].namedTensors) {
            #expect(one.tensor.scalars() == other.tensor.scalars())
        }
        let first = try #require(trainer.best?.branches.sharing.namedTensors.map { $0.tensor.scalars() })
        #expect(try trainer.trainEpoch() != nil)
        #expect(trainer.stage == 1)
        // The better of the two epochs is what the next stage begins with.
        let kept = trainer.branches.sharing.namedTensors.map { $0.tensor.scalars() }
        #expect([1, 2].contains(trainer.keptEpoch) && (kept == first) == (trainer.keptEpoch == 1))
        // The trained trunk says something, so the new head starts from the closed-form solution on it.
        #expect(trainer.metrics(in: .validation)[1]!.primary.value > 0.6)
    }

    @Test func `a task that gets no better rests while others learn`() throws {
        let world = SyntheticTasks()
        var plan = SyntheticTasks.simple
        plan.train.learningRate = 0
        let stage = JointStage("all", tasks: [0, 1, 2], epochs: 50, patience: 2, restsTasks: true)
        var trainer = JointTrainer(
            plan.train, try world.joint(plan), stages: [stage], balancing: EqualBalancing(), workers: 2)
        #expect(try trainer.run() == .finished)
        #expect(trainer.trained.allSatisfy { $0.epochs == 3 && $0.bestEpoch == 1 })
        var some = JointTrainer(
            plan.train, try world.joint(plan), stages: [stage], balancing: EqualBalancing(), workers: 2)
        let open = some.shares
        some.progress[1].isResting = true
        #expect(some.shares[1] < 0.15 * open[1])
        #expect(abs(some.shares.reduce(0, +) - 1) < 1e-9)
    }

    @Test func `the same seed gives the same bits, another seed others`() throws {
        let world = SyntheticTasks()
        func end(_ seed: UInt64) throws -> [String: [UInt32]] {
            var plan = SyntheticTasks.plan
            plan.train.seed = seed
            var trainer = try trainer(world, plan)
            _ = try trainer.run()
            return bits(trainer.branches)
        }
        let first = try end(3)
        #expect(try end(3) == first)
        #expect(try end(4) != first)
    }
}

@Suite struct TaskFilterTests {
    /// Three tasks that read the same columns, and perhaps one whose labels mean nothing.
    private func world(noise: Bool) throws -> JointTasks {
        var generator = SeededGenerator(seed: 9)
        let (count, columns) = (800, 16)
        let values = Tensor.normal([count, columns], using: &generator)
        let rows = values.scalars()
        let examples = (0..<count).map { row -> Example in
            let x = rows[row * columns..<(row + 1) * columns].map(\.self)
            let split: Split = row % 4 < 2 ? .train : row % 4 == 2 ? .validation : .test
            func category(_ value: Float) -> Label { .category(value > 0 ? "yes" : "no") }
            let product = x[0] * x[1] + 0.5 * x[2]
            var labels: [String: Label] = [
                "one": category(product), "two": category(product + 0.3 * x[3]), "three": category(product - 0.3 * x[4]),
            ]
            if noise { labels["noise"] = .category(Bool.random(using: &generator) ? "yes" : "no") }
            return Example(id: "\(row)", split: split, image: nil, labels: labels)
        }
        let names = ["one", "two", "three"] + (noise ? ["noise"] : [])
        let plan = Plan(
            name: "filter", data: DataPlan(kind: .scenes), tasks: names.map { TaskPlan(name: $0, kind: .classification) })
        let tasks = try TaskData.prepare(plan, on: Dataset(name: "filter", examples: examples))
        let trunk = MLP(vectorLength: columns, hidden: 32, using: &generator)
        return JointTasks(
            tasks, sharing: SharedTrunk(trunk, taskCount: names.count), features: TensorFeatures(values))
    }

    @Test func `tasks that help each other are all kept, and the evidence says so`() throws {
        let filter = try TaskFilter(
            world(noise: false), TrainPlan(batchSize: 64, learningRate: 5e-3), mixture: TaskMixture())
        #expect(filter.kept == [0, 1, 2])
        #expect(filter.evidence.allSatisfy { $0.cosine > 0 && $0.gain == nil })
        #expect(filter.table.contains("shares"))
    }

    @Test func `a task of noise helps the others least, and tasks that mean something stay beside it`() throws {
        let filter = try TaskFilter(
            world(noise: true), TrainPlan(batchSize: 64, learningRate: 5e-3), mixture: TaskMixture())
        for evidence in filter.evidence where !evidence.isKept {
            let gain = try #require(evidence.gain)
            #expect(gain > 2 * evidence.gainError!)
            #expect(evidence.cosine < 2 * evidence.cosineError)
        }
        #expect(filter.evidence.min { $0.cosine < $1.cosine }?.task == "noise")
        #expect(filter.kept.prefix(3) == [0, 1, 2])
    }
}
