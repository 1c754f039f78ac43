import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor
import PandoTraining

/// Whether one shared network that is trained in three stages does what one network for each task does.
struct ThreeStageReproduction: Reproduction {
    let name = "three-stage-mtl"
    let room = "PandoTraining/Joint"
    let paper = Paper(
        "Deploying Multi-task Online Server with Large Language Model", "Qu et al. 2025", arXiv: "2411.03644")
    let claim = """
        Tasks that are filtered, then trained on the ones with much data, then all together share one network that is as good \
        as a network for each, within half a point, for a fraction of what is deployed.
        """
    let data = """
        8,000 Debian packages with 11 tasks (section, nine debtags facets, installed size), and a \
        twelfth as a broken labelling job would leave it: sections that belong to other packages. MiniLM's sentence vectors; \
        the network of a task is a hidden layer of 512.
        """
    let parts = [
        MethodPart("filter", "every task shares, also one that harms the others"),
        MethodPart("high-resource", "all tasks train together from the first step"),
    ]

    let remarks = """
        The filter finds the broken task with every seed, and no other. The rest is within noise: facets have few labelled \
        packages, and the mean score of one way differs by two points from seed to seed. Networks of their own each stop at \
        their own best epoch, tasks that share at the best of all; that small tasks learn after large ones does not help \
        here.
        """

    /// The facets of debtags that are tasks.
    private static let facets = [
        "role", "implemented-in", "interface", "use", "works-with", "uitoolkit", "scope", "field", "protocol",
    ]
    private static let broken = "shuffled-section"

    func run(_ conditions: Conditions) throws -> Findings {
        let tasks =
            [TaskPlan(name: "section", kind: .classification, minimumCount: 2)]
            + Self.facets.map { TaskPlan(name: $0, kind: .multilabel, minimumCount: 2) }
            + [TaskPlan(name: "installed-size", kind: .regression)]
        let plan = Plan(
            name: name, backbone: try .fetchedSentenceEncoder(maximumTokens: 32), data: DataPlan(kind: .debian, limit: 8_000),
            tasks: tasks + [TaskPlan(name: Self.broken, kind: .classification, minimumCount: 2)],
            train: TrainPlan(epochs: 8, patience: 3))
        let trial = try SharingTrial(plan, on: Self.dataset(plan), contestants(conditions), conditions)
        let outcomes = SharingOutcomes(try trial.run(), counting: tasks.filter { $0.kind != .regression }.map(\.name))
        let innocent = outcomes["three stages"].shared.reduce(0) { $0 + tasks.count - $1.filter { $0 != Self.broken }.count }
        // Without sharing, each task is deployed with a network of its own, backbone and all.
        let backbone = Double(trial.backboneParameters)
        let separate = outcomes["one network each"].parameters.mean + backbone * Double(plan.tasks.count)
        return outcomes.findings(
            over: "one network each",
            [
                outcomes.gain(of: "three stages", over: "one network each", atLeast: -0.005),
                Check(
                    "parameters that three stages deploy, backbone included, held against one network each",
                    (outcomes["three stages"].parameters.mean + backbone) / separate, .atMost, 0.15, .ratio),
                outcomes.gain(of: "three stages", over: "all at once, in proportion", atLeast: 0.001),
                outcomes.gain(of: "three stages", over: "no filter", atLeast: 0.001),
                outcomes.gain(of: "three stages", over: "no high-resource stage", atLeast: 0.001),
                Check("sound tasks that are filtered out, in all seeds", Double(innocent), .atMost, 1, .count),
            ])
    }

    private func contestants(_ conditions: Conditions) -> [SharingTrial.Contestant] {
        var network = MLPConfiguration()
        network.hidden = 512
        func together(_ staging: JointStaging, temperature: Double = 2) -> SharingTrial.Contestant.Way {
            .together(
                SharingPlan(
                    SharingChoice(TrunkConfiguration(network)), staging: staging,
                    mixture: TaskMixture(temperature: temperature, cap: 4)))
        }
        let method = JointStaging(
            filters: conditions.has("filter"), beginsWithLargeTasks: conditions.has("high-resource"))
        return [
            .init("one network each", .apart(network), learningRate: 2e-3, epochs: 40),
            .init("all at once, in proportion", together(.joint, temperature: 1), learningRate: 2e-3),
            .init("no filter", together(JointStaging(filters: false, beginsWithLargeTasks: true)), learningRate: 2e-3),
            .init(
                "no high-resource stage", together(JointStaging(filters: true, beginsWithLargeTasks: false)),
                learningRate: 2e-3),
            .init("three stages", together(method), learningRate: 2e-3),
        ]
    }

    /// The plan's data with one task more, whose sections are those of other packages.
    private static func dataset(_ plan: Plan) throws -> Dataset {
        let dataset = try plan.data.dataset()
        var generator = SeededGenerator(seed: 0).split(broken)
        var examples = dataset.examples
        // In training alone: what a model is measured by is in order.
        let labelled = examples.indices.filter { examples[$0].labels["section"] != nil }
        let training = labelled.filter { examples[$0].split == .train }
        for (place, source) in zip(training, training.shuffled(using: &generator)) {
            examples[place].labels[broken] = dataset.examples[source].labels["section"]
        }
        for place in labelled where examples[place].split != .train {
            examples[place].labels[broken] = dataset.examples[place].labels["section"]
        }
        return Dataset(name: dataset.name, examples: examples)
    }
}
