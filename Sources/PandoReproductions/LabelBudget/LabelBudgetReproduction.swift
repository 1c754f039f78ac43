import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor
import PandoTraining

/// Task-adaptive label budgets, held against spending alike on every task, in proportion to what there is, and by chance.
public struct LabelBudgetReproduction: Reproduction {
    public init() {}

    public let name = "mtl-label-budget"
    public let room = "PandoTraining/LabelBudget"
    public let paper = Paper("Label Budget Allocation in Multi-Task Learning", "Sun et al. 2023", arXiv: "2308.12949")
    public let claim =
        "An allocation that adapts to what tasks still learn from labels, and to what they are worth to each other, reaches "
        + "the final score of an equal one with clearly fewer labels."
    public let data =
        "four tasks on 4,000 scenes, on the vector of a frozen MobileNetV2 and one shared hidden layer: the largest figure's "
        + "shape (a label costs 3), colour (1) and place (2), and the number of figures (1); 40 labels of each at the start, "
        + "and 400 to spend in four rounds"
    public let parts = [
        MethodPart("transfer", "no task's labels count for another"),
        MethodPart("curve", "all tasks are taken to learn alike"),
    ]

    public let remarks = """
        Scores are means of three accuracies and of the explained variance of the number. Most is won by what is not bought: \
        the pooled vector says little of a figure's place, the curve shows it, and its labels are left alone. Tasks \
        whose curves and prices are alike leave little to win. The transfer between tasks is worth nothing here, and without \
        curves the claim still holds, by less: 0.82 of the budget where the whole method needs 0.59. How new information is estimated is our own; the paper's \
        abstract does not say.
        """

    private static let tasks: [(name: String, kind: TaskKind, cost: Double)] = [
        ("shape", .classification, 3), ("color", .classification, 1), ("count", .regression, 1),
        ("position", .classification, 2),
    ]
    /// All scenes are labelled for all tasks, so labels in proportion to what there is are those of an equal spending.
    private static let strategies: [BudgetStrategy] = [.adaptive, .uniform, .equalMoney, .random]

    public func run(_ conditions: Conditions) throws -> Findings {
        let joint = try Self.tasks(conditions)
        var settings = BudgetSimulation.Settings(money: 400)
        (settings.rounds, settings.seedLabels, settings.steps) = (4, 40, 150)
        settings.costs = Dictionary(uniqueKeysWithValues: Self.tasks.map { ($0.name, $0.cost) })
        (settings.usesTransfer, settings.usesCurves) = (conditions.has("transfer"), conditions.has("curve"))
        let plan = TrainPlan(batchSize: 96, learningRate: 0.002, precision: .float32)
        let simulation = try BudgetSimulation(
            joint, plan, settings, workers: conditions.workers, cancellation: conditions.cancellation)
        let total = conditions.seeds.count * 100
        let runs = try conditions.seeds.enumerated().map { place, seed in
            try simulation.run(Self.strategies, seed: seed) { done, all in
                conditions.report(
                    .progress(title: name, unit: "rounds", done: place * 100 + done * 100 / all, total: total))
            }
        }
        return findings(runs)
    }

    /// The tasks, on features of a frozen network and a fresh hidden layer that they share.
    private static func tasks(_ conditions: Conditions) throws -> JointTasks {
        let plan = Plan(
            name: "label-budget", backbone: BackbonePlan(taps: [], pictureSize: 128),
            data: DataPlan(kind: .scenes, limit: 4_000), tasks: tasks.map { TaskPlan(name: $0.name, kind: $0.kind) },
            features: FeaturePlan(codec: .float32, stores: true))
        let backbone = try plan.openBackbone()
        let length = backbone.network.vectorLength(reading: [])
        var generator = SeededGenerator(seed: 0).split("trunk")
        let trunk = SharedTrunk(MLP(vectorLength: length, hidden: 128, using: &generator), taskCount: tasks.count)
        let prepared = try TrainingSession(plan, store: conditions.store, workers: conditions.workers).prepare(
            try plan.data.dataset(), on: backbone, adapters: tasks.indices.map { SharedView(trunk, task: $0) },
            conditions.cancellation, conditions.report)
        return JointTasks(prepared.tasks.map(\.data), sharing: trunk, features: prepared.tasks[0].features)
    }

    private func findings(_ runs: [[BudgetStrategy: [BudgetSimulation.Round]]]) -> Findings {
        /// Each seed's mean test score after a round.
        func scores(_ strategy: BudgetStrategy, _ round: Int) -> Sample {
            Sample(runs.map { $0[strategy]![round].meanTest })
        }
        let last = runs[0][BudgetStrategy.uniform]!.count - 1
        let goal = scores(BudgetStrategy.uniform, last).mean
        /// Money to reach uniform's last score, on the seeds' mean.
        func money(_ strategy: BudgetStrategy) -> Double? {
            BudgetSimulation.money(
                toReach: goal,
                along: (0...last).map { (runs[0][strategy]![$0].spent, scores(strategy, $0).mean) })
        }
        let whole = runs[0][BudgetStrategy.uniform]![last].spent
        let rows = Self.strategies.map { strategy in
            let labels = Self.tasks.indices.map { task in
                Sample(runs.map { Double($0[strategy]![last].labels[task]) })
            }
            return Findings.Row(
                strategy.rawValue,
                [1, last / 2 + 1, last].map { scores(strategy, $0) } + [money(strategy).map { Sample($0) }] + labels)
        }
        let columns: [Findings.Column] = [
            .init("score after round 1", .percent), .init("after round \(last / 2 + 1)", .percent),
            .init("after all rounds", .percent), .init("money to uniform's last score", .count),
        ]
        func lead(over strategy: BudgetStrategy) -> Check {
            Check(
                "adaptive ends above \(strategy.rawValue)", scores(BudgetStrategy.adaptive, last).mean - scores(strategy, last).mean,
                .atLeast, 0, .points)
        }
        return Findings(
            columns + Self.tasks.map { .init($0.name, .count) }, rows,
            [
                Check(
                    "money with which adaptive reaches uniform's last score, held against uniform's; 2 if it never does",
                    (money(BudgetStrategy.adaptive) ?? 2 * whole) / whole, .atMost, 0.85, .ratio),
                lead(over: .equalMoney), lead(over: .random),
            ])
    }
}
