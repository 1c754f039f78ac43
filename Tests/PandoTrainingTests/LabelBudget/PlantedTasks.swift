import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

@testable import PandoTraining

/// A world in which it is known what labels are worth: a question, its twin with a few wrong answers, and a question whose
/// answers are drawn.
struct PlantedTasks {
    static let names = ["question", "twin", "noise"]
    static let plan = TrainPlan(batchSize: 48, learningRate: 0.01, seed: 3)
    private static let columns = 16, classes = 4

    let features: TensorFeatures
    private let tasks: [TaskData]

    init(count: Int = 1_200, seed: UInt64 = 1) {
        var generator = SeededGenerator(seed: seed)
        let values = Tensor.normal([count, Self.columns], using: &generator)
        let hidden = matmul(values, Tensor.normal([Self.columns, 12], using: &generator)).tanh()
        let sums = matmul(hidden, .normal([12, Self.classes], using: &generator)).scalars()
        let answers = (0..<count).map { row in
            (0..<Self.classes).max { sums[row * Self.classes + $0] < sums[row * Self.classes + $1] } ?? 0
        }
        let drawn = (0..<count).map { _ in Int.random(in: 0..<Self.classes, using: &generator) }
        let twin = zip(answers, drawn).map { Float.random(in: 0..<1, using: &generator) < 0.05 ? $1 : $0 }
        features = TensorFeatures(values)
        tasks = zip(Self.names, [answers, twin, drawn]).map { name, targets in
            let splits: [Split: Range<Int>] = [
                .train: 0..<count / 2, .validation: count / 2..<3 * count / 4, .test: 3 * count / 4..<count,
            ]
            return TaskData(
                plan: TaskPlan(name: name, kind: .classification), labels: LabelMap((0..<Self.classes).map { "\($0)" }),
                texts: [],
                examples: splits.mapValues { rows in
                    TaskExamples(rows: Array(rows), targets: .classes(rows.map { targets[$0] }))
                })
        }
    }

    /// The tasks on a hidden layer that they share.
    func joint() -> JointTasks {
        var generator = SeededGenerator(seed: 5)
        let trunk = SharedTrunk(MLP(vectorLength: Self.columns, hidden: 24, using: &generator), taskCount: tasks.count)
        return JointTasks(tasks, sharing: trunk, features: features)
    }
}
