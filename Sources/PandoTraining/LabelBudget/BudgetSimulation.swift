import PandoBranches
import PandoData
import PandoTensor

/// Buying labels in rounds, on data whose labels are all known: it reveals what was bought, and measures what it brought.
public struct BudgetSimulation: Sendable {
    /// What is simulated.
    public struct Settings: Sendable, Hashable {
        /// Of all rounds.
        public var money: Double
        public var rounds = 5
        /// Labels of each task at the start.
        public var seedLabels = 40
        /// Of a label, by task; 1 where nothing is said.
        public var costs: [String: Double] = [:]
        /// Training steps of each run.
        public var steps = 200
        /// Whether labels may count for other tasks.
        public var usesTransfer = true
        /// Whether each task has a learning curve of its own.
        public var usesCurves = true

        public init(money: Double) { self.money = money }
    }

    /// The state after a round.
    public struct Round: Sendable, Hashable, Codable {
        /// Money spent so far.
        public let spent: Double
        /// Labels of each task, those at the start included.
        public let labels: [Int]
        /// Each task's score on validation and on test, trained on these labels; larger is better.
        public let validation, test: [Double]

        /// The tasks' mean on validation.
        public var meanValidation: Double { validation.reduce(0, +) / Double(validation.count) }
        /// The tasks' mean on test.
        public var meanTest: Double { test.reduce(0, +) / Double(test.count) }
    }

    public let settings: Settings
    public let taskNames: [String]
    private let joint: JointTasks
    private let learner: LabelLearner

    /// - Parameter plan: batch size and learning rate of each run.
    /// - Throws: `LabelBudgetError` if the tasks and settings do not fit.
    public init(
        _ joint: JointTasks, _ plan: TrainPlan, _ settings: Settings, workers: Int = MachineResources.allowedCores,
        cancellation: CancellationFlag? = nil
    ) throws(LabelBudgetError) {
        (self.joint, self.settings, taskNames) = (joint, settings, joint.tasks.map(\.name))
        learner = LabelLearner(plan: plan, steps: settings.steps, workers: workers, cancellation: cancellation)
        var problems = LabelBudgetError.problems(money: settings.money, rounds: settings.rounds, costs: settings.costs, tasks: taskNames)
        for (task, size) in zip(joint.tasks, joint.sizes) where size <= settings.seedLabels {
            problems.append(
                "task '\(task.name)' has \(size) training labels in all, and \(settings.seedLabels) are to be known at the start; lower the seed labels"
            )
        }
        if settings.seedLabels < 4 { problems.append("\(settings.seedLabels) labels at the start are too few to learn curves from; use 4 or more") }
        guard problems.isEmpty else { throw LabelBudgetError(problems) }
    }

    /// Each strategy's state at the start and after each round.
    ///
    /// All start with the same labels, and a task's labels come in the same order for all.
    /// - Throws: `TrainingError.notFinite`; `CancellationError`.
    public func run(
        _ strategies: [BudgetStrategy], seed: UInt64, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> [BudgetStrategy: [Round]] {
        let generator = SeededGenerator(seed: seed).split("label budget")
        let pool = LabelPool(joint, using: generator)
        let total = 1 + strategies.count * settings.rounds
        let first = try measure(pool, [Int](repeating: settings.seedLabels, count: taskNames.count), spent: 0, seed)
        var done = 1
        progress(done, total)
        return try strategies.reduce(into: [:]) { found, strategy in
            var estimator = BudgetEstimator(
                learner: learner, usesTransfer: settings.usesTransfer, usesCurves: settings.usesCurves)
            var rounds = [first]
            for round in 1...settings.rounds {
                let last = rounds[rounds.count - 1]
                if strategy == .adaptive { try estimator.observe(pool, counts: last.labels, seed: seed &+ 1_000 &* UInt64(round)) }
                let budget = self.budget(estimator, last.labels)
                let money = settings.money * Double(round) / Double(settings.rounds) - last.spent
                let bought = strategy.allocation(of: money, budget, using: generator.split("random"))
                let labels = zip(last.labels, bought).map(+)
                rounds.append(try measure(pool, labels, spent: last.spent + budget.cost(of: bought), seed))
                done += 1
                progress(done, total)
            }
            found[strategy] = rounds
        }
    }

    private func budget(_ estimator: BudgetEstimator, _ labels: [Int]) -> LabelBudget {
        estimator.budget(
            taskNames, labelled: labels, available: zip(joint.sizes, labels).map(-),
            costs: taskNames.map { settings.costs[$0] ?? 1 })
    }

    private func measure(_ pool: LabelPool, _ labels: [Int], spent: Double, _ seed: UInt64) throws -> Round {
        let trainer = try learner.trained(pool.tasks(labels), seed: seed)
        return Round(
            spent: spent, labels: labels, validation: learner.scores(of: trainer, in: .validation),
            test: learner.scores(of: trainer, in: .test))
    }
}

extension BudgetSimulation {
    /// The money after which a score, which is taken to rise straight between rounds, first reaches `goal`; `nil` if it
    /// never does.
    public static func money(toReach goal: Double, along way: [(spent: Double, score: Double)]) -> Double? {
        guard let first = way.first, first.score < goal else { return way.first?.spent }
        for (before, after) in zip(way, way.dropFirst()) where after.score >= goal {
            return before.spent + (goal - before.score) / (after.score - before.score) * (after.spent - before.spent)
        }
        return nil
    }
}
