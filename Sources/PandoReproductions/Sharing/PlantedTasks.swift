import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTraining

/// Tasks over drawn features, whose truth is known.
struct PlantedTasks {
    let data: [TaskData]
    let reader: any FeatureReader

    /// - Parameters:
    ///   - labels: by task, `true` or `false` for each example.
    ///   - features: of all examples, in order.
    /// - Throws: `TaskDataError` if a split holds no example of a class.
    init(_ name: String, counts: [(Split, Int)], labels: [(task: String, values: [Bool])], features: Features) throws {
        let splits = counts.flatMap { Array(repeating: $0, count: $1) }
        let dataset = Dataset(
            name: name,
            examples: splits.indices.map { index in
                let known = labels.map { ($0.task, Label.category($0.values[index] ? "yes" : "no")) }
                return Example(
                    id: "\(index)", split: splits[index], image: nil, labels: Dictionary(uniqueKeysWithValues: known))
            })
        data = try TaskData.prepare(
            Plan(
                name: name, data: DataPlan(kind: .scenes),
                tasks: labels.map { TaskPlan(name: $0.task, kind: .classification) }),
            on: dataset)
        reader = Reader(features: features)
    }

    /// What one way of sharing came to, with one seed.
    struct Result {
        let validation, test: [Double]
        let parameters: Int

        init(_ trainer: JointTrainer) {
            func scores(_ split: Split) -> [Double] {
                trainer.metrics(in: split).sorted { $0.key < $1.key }.map(\.value.primary.value)
            }
            (validation, test) = (scores(.validation), scores(.test))
            parameters = trainer.branches.parameterCount
        }

        /// Tasks apart.
        init(_ parts: [Result]) {
            (validation, test) = (parts.flatMap(\.validation), parts.flatMap(\.test))
            parameters = parts.reduce(0) { $0 + $1.parameters }
        }

        /// The mean of several runs of one way.
        static func mean(_ runs: [Result]) -> Result {
            func mean(_ values: [[Double]]) -> [Double] {
                values[0].indices.map { task in values.reduce(0) { $0 + $1[task] } / Double(values.count) }
            }
            return Result(
                validation: mean(runs.map(\.validation)), test: mean(runs.map(\.test)), parameters: runs[0].parameters)
        }

        private init(validation: [Double], test: [Double], parameters: Int) {
            (self.validation, self.test, self.parameters) = (validation, test, parameters)
        }

        var mean: Double { test.reduce(0, +) / Double(test.count) }
        var validationMean: Double { validation.reduce(0, +) / Double(validation.count) }
    }

    /// Some of the tasks on what they share.
    func joint(_ sharing: any Sharing, tasks: [Int]? = nil) -> JointTasks {
        JointTasks((tasks ?? Array(data.indices)).map { data[$0] }, sharing: sharing, features: reader)
    }

    /// Trains some of the tasks together.
    /// - Throws: `TrainingError`; `CancellationError`.
    func train(_ sharing: any Sharing, tasks: [Int]? = nil, _ plan: TrainPlan, _ conditions: Conditions) throws -> Result {
        let joint = joint(sharing, tasks: tasks)
        var trainer = JointTrainer(
            plan, joint,
            stages: [JointStage("joint", tasks: Array(joint.tasks.indices), epochs: plan.epochs, patience: plan.patience)],
            balancing: EqualBalancing(), workers: conditions.workers)
        if try trainer.run(cancellation: conditions.cancellation) == .interrupted { throw CancellationError() }
        return Result(trainer)
    }

    private struct Reader: FeatureReader {
        let features: Features

        var rowCount: Int { features.pooled.shape[0] }
        var featureCount: Int { features.pooled.shape[1] }

        func features(_ indices: [Int], workers: Int) -> Features {
            let places = Tensor(indices.map(Int64.init))
            return Features(
                taps: features.taps.mapValues { $0.gathered(at: places) }, pooled: features.pooled.gathered(at: places))
        }
    }
}

/// Results by way, of all seeds.
struct PlantedOutcomes {
    private(set) var names: [String] = []
    private var results: [String: [PlantedTasks.Result]] = [:]

    mutating func add(_ name: String, _ result: PlantedTasks.Result) {
        if results[name] == nil { names.append(name) }
        results[name, default: []].append(result)
    }

    /// On test, the mean over tasks, by seed.
    func score(_ name: String) -> Sample { Sample((results[name] ?? []).map(\.mean)) }
    func parameters(_ name: String) -> Double { Sample((results[name] ?? []).map { Double($0.parameters) }).mean }

    /// Each task's score on test, their mean, and what the ways cost.
    func findings(_ tasks: [String], _ checks: [Check]) -> Findings {
        let rows = names.map { name in
            let results = results[name] ?? []
            let each = tasks.indices.map { task in Sample(results.map { $0.test[task] }) }
            return Findings.Row(name, each + [score(name), Sample(results.map { Double($0.parameters) })])
        }
        return Findings(
            tasks.map { .init($0, .percent) } + [.init("mean", .percent), .init("trained parameters", .count)], rows, checks)
    }

    /// `first` scores better than `second` by so much, in the mean over tasks and seeds.
    func gain(of first: String, over second: String, atLeast bound: Double) -> Check {
        Check(
            "\(first) beats \(second)", score(first).mean - score(second).mean, .atLeast, bound, .points)
    }
}
