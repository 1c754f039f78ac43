import PandoBranches
import PandoData
import PandoTensor

extension TrainingSession {
    /// The tasks that the plan says share something, with their features; all of them on a plain trunk if it says nothing.
    private func prepareTogether(
        _ cancellation: CancellationFlag?, _ report: @escaping @Sendable (Event) -> Void
    ) throws -> (dataset: Dataset, joint: JointTasks) {
        var session = self
        if session.plan.sharing == nil { session.plan.sharing = SharingPlan() }
        let prepared = try session.prepare(cancellation: cancellation, report)
        let shared = session.plan.sharedTasks.map { prepared.tasks[$0] }
        guard let view = shared.first?.adapter as? SharedView else { stop("TrainingSession: tasks that share nothing") }
        return (prepared.dataset, JointTasks(shared, sharing: view.sharing))
    }

    /// Examples of each task that are looked at after each try.
    private static let validationLimit = 512

    /// Measures which of the plan's tasks help each other.
    ///
    /// - Throws: as `prepare`; `TrainingError.notFinite`; `CancellationError`.
    public func affinity(
        _ settings: TaskAffinity.Settings = .init(), cancellation: CancellationFlag? = nil,
        _ report: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws -> TaskAffinity {
        let (_, joint) = try prepareTogether(cancellation, report)
        let few = JointTasks(
            joint.tasks.map { $0.limited(training: .max, elsewhere: Self.validationLimit) }, sharing: joint.sharing,
            features: joint.features, texts: joint.texts)
        let learner = LabelLearner(plan: plan.train, steps: 0, workers: workers, cancellation: cancellation)
        return try TaskAffinity(of: learner.start(few, plan.train), settings: settings, cancellation: cancellation) {
            report(.progress(title: "affinity", unit: "looks", done: $0, total: $1))
        }
    }

    /// Decides which labels to buy for the plan's tasks, and which examples to label next.
    ///
    /// An example of the training split can be labelled for a task if it has no label in the task's column.
    /// - Parameter costs: of a label, by task; 1 where nothing is said.
    /// - Throws: `LabelBudgetError`; else as `prepare`; `TrainingError.notFinite`; `CancellationError`.
    public func labelPlan(
        money: Double, costs: [String: Double] = [:], rounds: Int = 5, steps: Int = 200,
        cancellation: CancellationFlag? = nil, _ report: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws -> LabelPlan {
        try checkBudget(money: money, costs: costs, rounds: rounds)
        let (dataset, joint) = try prepareTogether(cancellation, report)
        let names = joint.tasks.map(\.name)
        let pools = joint.tasks.map { task in
            dataset.examples.filter { $0.split == .train && $0.labels[task.plan.column] == nil }.map(\.id)
        }
        if pools.allSatisfy(\.isEmpty) {
            throw LabelBudgetError([
                "every training example is labelled for every task; --seed-labels tries budgets on labels that are there"
            ])
        }
        let generator = SeededGenerator(seed: plan.train.seed).split("label budget")
        var estimator = BudgetEstimator(
            learner: LabelLearner(plan: plan.train, steps: steps, workers: workers, cancellation: cancellation))
        report(.message("learning curves of \(names.count) tasks, from \(steps) steps each"))
        try estimator.observe(LabelPool(joint, using: generator), counts: joint.sizes, seed: plan.train.seed)
        let budget = estimator.budget(
            names, labelled: joint.sizes, available: pools.map(\.count), costs: names.map { costs[$0] ?? 1 })
        return LabelPlan(budget, money: money, rounds: rounds, pools: pools, using: generator)
    }

    /// Tries ways to spend a budget on the plan's own labels, of which only a few are known at the start.
    ///
    /// - Throws: `LabelBudgetError`; else as `prepare`; `TrainingError.notFinite`; `CancellationError`.
    public func simulateLabels(
        _ settings: BudgetSimulation.Settings, _ strategies: [BudgetStrategy] = BudgetStrategy.allCases,
        cancellation: CancellationFlag? = nil, _ report: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws -> [BudgetStrategy: [BudgetSimulation.Round]] {
        try checkBudget(money: settings.money, costs: settings.costs, rounds: settings.rounds)
        let (_, joint) = try prepareTogether(cancellation, report)
        let simulation = try BudgetSimulation(
            joint, plan.train, settings, workers: workers, cancellation: cancellation)
        return try simulation.run(strategies, seed: plan.train.seed) {
            report(.progress(title: "buying labels", unit: "rounds", done: $0, total: $1))
        }
    }

    /// What is wrong is told before anything is computed.
    private func checkBudget(money: Double, costs: [String: Double], rounds: Int) throws(LabelBudgetError) {
        let problems = LabelBudgetError.problems(
            money: money, rounds: rounds, costs: costs, tasks: plan.sharing?.tasks ?? plan.tasks.map(\.name))
        guard problems.isEmpty else { throw LabelBudgetError(problems) }
    }
}
