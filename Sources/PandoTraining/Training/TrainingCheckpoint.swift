import Foundation
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// The whole state of a training run in one safetensors file: branches, best branches and optimizers as tensors, counters
/// and random generators as notes.
struct TrainingCheckpoint: Sendable {
    /// What cannot be a tensor.
    private struct Notes: Codable, Sendable {
        var epoch, step: Int
        var bestEpoch: Int
        /// The bits of the score, so that nothing is lost in decimals.
        var bestScore: UInt64
        var isDone: Bool
        var generator: SeededGenerator
    }

    private static let format = "pando-training-checkpoint-3"
    private let file: StateFile<[String: Notes]>
    private let fingerprint: String

    /// What a checkpoint must have been made with to be resumed: the schedule, the tasks and their examples.
    static func fingerprint(_ plan: some Encodable, _ tasks: [TaskData], rowCount: Int, featureCount: Int) -> String {
        var hash = SHA256()
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        func add(_ value: some Encodable) {
            // Plans and label maps hold only texts and finite numbers, which always encode.
            guard let data = try? encoder.encode(value) else { stop("fingerprint: \(value) does not encode") }
            hash.update(data: data)
        }
        add(plan)
        add([rowCount, featureCount])
        for task in tasks {
            add(task.plan)
            add(task.labels)
            add(task.texts)
            for split in task.examples.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
                let examples = task.examples(in: split)
                add(split)
                add(examples.rows)
                switch examples.targets {
                case .classes(let values), .texts(let values): add(values)
                case .labels(let values, _): add(values)
                case .numbers(let values): add(values.map(\.bitPattern))
                }
            }
        }
        return hash.finalize().hexadecimal
    }

    static func fingerprint(_ plan: TrainPlan, _ tasks: [BranchTask]) -> String {
        fingerprint(
            plan, tasks.map(\.data), rowCount: tasks.first?.features.rowCount ?? 0,
            featureCount: tasks.reduce(0) { $0 + $1.adapter.featureCount })
    }

    // MARK: Writing

    init(of tasks: [TaskTrainer], fingerprint: String, at url: URL) {
        self.fingerprint = fingerprint
        var tensors: [String: Tensor] = [:]
        var notes: [String: Notes] = [:]
        for task in tasks {
            let name = task.data.name
            for part in [("branch", task.branch), ("best", task.best.branch)] {
                for (key, tensor, _) in part.1.namedTensors { tensors["\(name)/\(part.0)/\(key)"] = tensor }
            }
            for (key, tensor) in task.optimizer.state { tensors["\(name)/optimizer/\(key)"] = tensor }
            notes[name] = Notes(
                epoch: task.epoch, step: task.step, bestEpoch: task.best.epoch, bestScore: task.best.score.bitPattern,
                isDone: task.isDone, generator: task.generator)
        }
        file = StateFile(notes, tensors: tensors, at: url)
    }

    /// Writes the file whole or not at all.
    func write() throws { try file.write(format: Self.format, fingerprint: fingerprint) }

    // MARK: Reading

    init(reading url: URL, expecting fingerprint: String) throws(TrainingError) {
        self.fingerprint = fingerprint
        file = try StateFile(reading: url, format: Self.format, fingerprint: fingerprint)
    }

    /// A task as it was when the checkpoint was written.
    func trainer(for task: BranchTask, plan: TrainPlan, workers: Int) throws(TrainingError) -> TaskTrainer {
        let data = task.data
        guard let notes = file.notes[data.name] else {
            throw .unusableCheckpoint(path: file.path, reason: "there is nothing about task '\(data.name)'")
        }
        var branch = Branch(untrainedFor: task, precision: plan.precision.elementType)
        var best = branch
        do {
            try branch.load(file.part("\(data.name)/branch/"), from: file.path)
            try best.load(file.part("\(data.name)/best/"), from: file.path)
        } catch { throw .unusableCheckpoint(path: file.path, reason: "\(error)") }
        var trainer = TaskTrainer(task, plan: plan, workers: workers, branch: branch, generator: notes.generator)
        trainer.optimizer.state = file.part("\(data.name)/optimizer/")
        trainer.epoch = notes.epoch
        trainer.step = notes.step
        trainer.best = .init(branch: best, epoch: notes.bestEpoch, score: Double(bitPattern: notes.bestScore))
        trainer.isDone = notes.isDone
        return trainer
    }
}
