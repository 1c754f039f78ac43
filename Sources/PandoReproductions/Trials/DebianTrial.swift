import PandoBackbones
import PandoData
import PandoTraining

/// Which section a Debian package belongs to, from its short description, on a frozen sentence encoder.
enum DebianTrial {
    static let task = (name: "section", title: "section, accuracy")

    /// Contestants on so many packages to train on, and so many each to choose by and to test on.
    static func make(
        _ name: String, training: Int, elsewhere: Int, epochs: Int, precision: TrainPlan.Precision = .float32,
        _ contestants: [AdapterTrial.Contestant], _ conditions: Conditions
    ) throws -> AdapterTrial {
        let plan = Plan(
            name: name, backbone: try .fetchedSentenceEncoder(maximumTokens: 32), data: DataPlan(kind: .debian),
            tasks: [TaskPlan(name: task.name, kind: .classification, minimumCount: 2)],
            train: TrainPlan(epochs: epochs, batchSize: 32, precision: precision))
        let dataset = try plan.data.dataset().choosing(
            training: training, elsewhere: elsewhere, labelledIn: task.name)
        return try AdapterTrial(plan, on: dataset, contestants, conditions)
    }
}
