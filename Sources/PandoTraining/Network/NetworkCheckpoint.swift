import Foundation
import PandoBackbones
import PandoData
import PandoNN
import PandoTensor

/// The whole state of a network's training in one safetensors file: the network, the best one and the optimizer as
/// tensors, counters and the random generator as notes.
struct NetworkCheckpoint {
    /// What cannot be a tensor.
    private struct Notes: Codable, Sendable {
        var epoch, step: Int
        var bestEpoch: Int?
        /// The bits of the numbers, so that nothing is lost in decimals.
        var bestGain: UInt64?
        var firstScores: [UInt64]
        var isDone: Bool
        var generator: SeededGenerator
    }

    private static let format = "pando-network-checkpoint-2"

    /// Writes a trainer's state whole or not at all.
    static func write(_ trainer: NetworkTrainer<some ImageBackbone>, fingerprint: String, to url: URL) throws {
        var tensors: [String: Tensor] = [:]
        for (name, tensor, _) in trainer.network.namedTensors { tensors["network/\(name)"] = tensor }
        for (name, tensor, _) in trainer.best?.network.namedTensors ?? [] { tensors["best/\(name)"] = tensor }
        for (name, tensor) in trainer.optimizer.state { tensors["optimizer/\(name)"] = tensor }
        let notes = Notes(
            epoch: trainer.epoch, step: trainer.step, bestEpoch: trainer.best?.epoch,
            bestGain: trainer.best?.gain.bitPattern, firstScores: trainer.firstScores.map(\.bitPattern),
            isDone: trainer.isDone, generator: trainer.generator)
        try StateFile(notes, tensors: tensors, at: url).write(format: format, fingerprint: fingerprint)
    }

    /// Brings a trainer of the same plan and data to the state that was written.
    /// - Throws: `TrainingError.unusableCheckpoint`.
    static func restore(_ trainer: inout NetworkTrainer<some ImageBackbone>, fingerprint: String, from url: URL)
        throws(TrainingError)
    {
        let file = try StateFile<Notes>(reading: url, format: format, fingerprint: fingerprint)
        let notes = file.notes
        do {
            try trainer.network.load(file.part("network/"), from: url.path)
            if let epoch = notes.bestEpoch, let gain = notes.bestGain {
                var best = trainer.network
                try best.load(file.part("best/"), from: url.path)
                trainer.best = .init(network: best, epoch: epoch, gain: Double(bitPattern: gain))
            }
        } catch { throw .unusableCheckpoint(path: url.path, reason: "\(error)") }
        trainer.optimizer.state = file.part("optimizer/")
        (trainer.epoch, trainer.step) = (notes.epoch, notes.step)
        trainer.firstScores = notes.firstScores.map(Double.init(bitPattern:))
        trainer.isDone = notes.isDone
        trainer.generator = notes.generator
    }
}
