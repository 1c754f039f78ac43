import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// Labelled examples that are revealed in an order of their own for each task, as if they were labelled one by one.
///
/// So many labels of a task are the first so many of its order; what was bought is known by the counts alone.
struct LabelPool: Sendable {
    let joint: JointTasks
    /// By task, places among its training examples.
    let orders: [[Int]]

    init(_ joint: JointTasks, using generator: SeededGenerator) {
        self.joint = joint
        orders = joint.tasks.map { task in
            var stream = generator.split("labels of \(task.name)")
            return (0..<task.examples(in: .train).count).shuffled(using: &stream)
        }
    }

    /// The tasks with so many labels each.
    ///
    /// - Parameter shift: where in the order of those that are there a subset begins: other subsets of the same size.
    /// - Precondition: `counts` are at most `within`, and those at most what there is.
    func tasks(_ counts: [Int], within: [Int]? = nil, shift: Int = 0) -> JointTasks {
        let within = within ?? counts
        let chosen = joint.tasks.indices.map { task in
            let known = orders[task].prefix(within[task])
            let start = within[task] == 0 ? 0 : shift % within[task]
            let places = Array((known.dropFirst(start) + known.prefix(start)).prefix(counts[task]))
            return joint.tasks[task].choosing(training: places)
        }
        return JointTasks(chosen, sharing: joint.sharing, features: joint.features, texts: joint.texts)
    }
}

extension TaskData {
    /// The same task with some of its training examples.
    func choosing(training places: [Int]) -> TaskData {
        var few = examples
        few[.train] = examples(in: .train).chosen(places)
        return TaskData(plan: plan, labels: labels, texts: texts, examples: few)
    }
}

/// Trains tasks together, always for as many steps, and measures them.
struct LabelLearner: Sendable {
    let plan: TrainPlan
    let steps: Int
    let workers: Int
    let cancellation: CancellationFlag?

    /// The trainer after its steps.
    /// - Throws: `TrainingError.notFinite`; `CancellationError`.
    func trained(_ joint: JointTasks, seed: UInt64) throws -> JointTrainer {
        var plan = plan
        plan.seed = seed
        var trainer = start(joint, plan)
        let schedule = Schedule.cosine(
            peak: Float(plan.learningRate), warmUpSteps: max(1, steps / 20), totalSteps: steps)
        for step in 0..<steps {
            if cancellation?.isCancelled == true { throw CancellationError() }
            try trainer.takeStep(learningRate: schedule(step))
        }
        return trainer
    }

    /// A trainer that has not begun.
    func start(_ joint: JointTasks, _ plan: TrainPlan) -> JointTrainer {
        // Every task is drawn alike: a task with few labels is not to be starved of steps.
        let stage = JointStage(
            "all", tasks: Array(joint.tasks.indices), epochs: 1, patience: 1, mixture: TaskMixture(temperature: 100))
        return JointTrainer(plan, joint, stages: [stage], balancing: EqualBalancing(), workers: workers)
    }

    /// Each task's score on a split, where larger is better: accuracy, mean average precision, r², recall.
    func scores(of trainer: JointTrainer, in split: Split) -> [Double] {
        let metrics = trainer.metrics(in: split)
        return trainer.joint.tasks.indices.map { metrics[$0]?.goodness.value ?? 0 }
    }
}
