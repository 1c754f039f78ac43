import Foundation
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

extension JointTrainer {
    /// Trains all stages to their end.
    ///
    /// - Parameters:
    ///   - checkpoint: where the state is written, after each epoch; `nil` for nowhere.
    ///   - report: called after each epoch for each of the stage's tasks.
    ///   - progress: called after each step, with the steps of the present epoch.
    /// - Returns: whether it came to the end, or was cancelled between or in an epoch.
    /// - Throws: `TrainingError.notFinite`, and errors of writing.
    public mutating func run(
        checkpoint: URL? = nil, fingerprint: String = "", cancellation: CancellationFlag? = nil,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }, _ report: (EpochReport) throws -> Void = { _ in }
    ) throws -> Ending {
        while !isDone {
            var next = self
            guard let reports = try next.trainEpoch(cancellation: cancellation, progress) else {
                if let checkpoint { try write(to: checkpoint, fingerprint: fingerprint) }
                return .interrupted
            }
            self = next
            for epoch in reports { try report(epoch) }
            if let checkpoint { try write(to: checkpoint, fingerprint: fingerprint) }
        }
        return .finished
    }

    // MARK: Checkpoints

    /// What cannot be a tensor.
    private struct Notes: Codable, Sendable {
        var stage, stageEpoch, stageStep, epoch, step, keptEpoch: Int
        var bestEpoch: Int?
        /// The bits of the numbers, so that nothing is lost in decimals.
        var bestGain: UInt64?
        var firstScores: [FirstScore]
        var progress: [TaskProgress]
        var hasBegun: [Bool]
        var drawn: [Int]

        struct FirstScore: Codable, Sendable {
            var name: String
            var bits: UInt64
            var largerIsBetter: Bool
        }
    }

    private static var format: String { "pando-joint-checkpoint-1" }

    /// Writes the whole state, whole or not at all.
    func write(to url: URL, fingerprint: String) throws {
        var tensors: [String: Tensor] = [:]
        for (name, tensor, _) in branches.namedTensors { tensors["branches/\(name)"] = tensor }
        for (name, tensor, _) in best?.branches.namedTensors ?? [] { tensors["best/\(name)"] = tensor }
        for (name, tensor) in optimizer.state { tensors["optimizer/\(name)"] = tensor }
        for (name, tensor) in balancing.state { tensors["balancing/\(name)"] = tensor }
        let notes = Notes(
            stage: stage, stageEpoch: stageEpoch, stageStep: stageStep, epoch: epoch, step: step, keptEpoch: keptEpoch,
            bestEpoch: best?.epoch, bestGain: best?.gain.bitPattern,
            firstScores: firstScores.map {
                .init(name: $0.name, bits: $0.value.bitPattern, largerIsBetter: $0.largerIsBetter)
            }, progress: progress, hasBegun: hasBegun, drawn: sampler.drawn)
        try StateFile(notes, tensors: tensors, at: url).write(format: Self.format, fingerprint: fingerprint)
    }

    /// Goes on from a checkpoint.
    /// - Throws: `TrainingError.unusableCheckpoint` if it was made with another plan or other data.
    public init(
        resuming checkpoint: URL, fingerprint: String, _ plan: TrainPlan, _ joint: JointTasks, stages: [JointStage],
        balancing: any Balancing, sharedRate: Float = 1, workers: Int = MachineResources.allowedCores
    ) throws(TrainingError) {
        self.init(
            untrained: plan, joint, stages: stages, balancing: balancing, sharedRate: sharedRate, workers: workers)
        let file = try StateFile<Notes>(reading: checkpoint, format: Self.format, fingerprint: fingerprint)
        let notes = file.notes
        guard (0...stages.count).contains(notes.stage), notes.drawn.count == joint.tasks.count,
            notes.progress.count == joint.tasks.count, notes.hasBegun.count == joint.tasks.count
        else { throw .unusableCheckpoint(path: file.path, reason: "its notes are of other tasks or stages") }
        (stage, stageEpoch, stageStep) = (notes.stage, notes.stageEpoch, notes.stageStep)
        (epoch, step, progress, hasBegun) = (notes.epoch, notes.step, notes.progress, notes.hasBegun)
        keptEpoch = notes.keptEpoch
        if !isDone { resetOptimizer() }
        firstScores = notes.firstScores.map {
            Score($0.name, Double(bitPattern: $0.bits), largerIsBetter: $0.largerIsBetter)
        }
        sampler = MixtureSampler(
            sizes: joint.sizes, using: SeededGenerator(seed: plan.seed).split("joint"), drawn: notes.drawn)
        do {
            try branches.load(file.part("branches/"), from: file.path)
            if let epoch = notes.bestEpoch, let gain = notes.bestGain {
                var best = branches
                try best.load(file.part("best/"), from: file.path)
                self.best = Best(branches: best, epoch: epoch, gain: Double(bitPattern: gain))
            }
        } catch { throw .unusableCheckpoint(path: file.path, reason: "\(error)") }
        optimizer.state = file.part("optimizer/")
        self.balancing.state = file.part("balancing/")
    }
}
