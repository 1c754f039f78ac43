import Foundation
import PandoBackbones
import PandoData
import PandoNN
import PandoTensor

/// The whole state of a network's training in one safetensors file: the network, the best one and the optimizer as
/// tensors, counters and the random generator as notes.
struct NetworkCheckpoint {
    /// What cannot be a tensor.
    private struct Notes: Codable {
        var epoch, step: Int
        var bestEpoch: Int?
        /// The bits of the numbers, so that nothing is lost in decimals.
        var bestGain: UInt64?
        var firstScores: [UInt64]
        var isDone: Bool
        var generator: SeededGenerator
    }

    private static let format = "pando-network-checkpoint-1"

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
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        try Folder.make(url.deletingLastPathComponent())
        try SafetensorsFile.write(
            tensors,
            metadata: [
                "format": format, "fingerprint": fingerprint,
                "notes": String(decoding: try encoder.encode(notes), as: UTF8.self),
            ], to: url)
    }

    /// Brings a trainer of the same plan and data to the state that was written.
    /// - Throws: `TrainingError.unusableCheckpoint`.
    static func restore(_ trainer: inout NetworkTrainer<some ImageBackbone>, fingerprint: String, from url: URL)
        throws(TrainingError)
    {
        func unusable(_ reason: String) -> TrainingError { .unusableCheckpoint(path: url.path, reason: reason) }
        let file: SafetensorsFile
        do { file = try SafetensorsFile(url) } catch { throw unusable("\(error)") }
        guard file.metadata["format"] == format else {
            throw unusable("it is not a network's checkpoint of this version (\(file.metadata["format"] ?? "no format"))")
        }
        guard file.metadata["fingerprint"] == fingerprint else {
            throw unusable("the plan or the data has changed since; train anew, or bring the old ones back")
        }
        let notes: Notes
        do { notes = try JSONDecoder().decode(Notes.self, from: Data((file.metadata["notes"] ?? "").utf8)) } catch {
            throw unusable("its notes are damaged: \(error)")
        }
        let tensors = file.tensors.dictionary
        func part(_ prefix: String) -> [String: Tensor] {
            tensors.reduce(into: [:]) { result, entry in
                if entry.key.hasPrefix(prefix) { result[String(entry.key.dropFirst(prefix.count))] = entry.value }
            }
        }
        do {
            try trainer.network.load(part("network/"), from: url.path)
            if let epoch = notes.bestEpoch, let gain = notes.bestGain {
                var best = trainer.network
                try best.load(part("best/"), from: url.path)
                trainer.best = .init(network: best, epoch: epoch, gain: Double(bitPattern: gain))
            }
        } catch { throw unusable("\(error)") }
        trainer.optimizer.state = part("optimizer/")
        (trainer.epoch, trainer.step) = (notes.epoch, notes.step)
        trainer.firstScores = notes.firstScores.map(Double.init(bitPattern:))
        trainer.isDone = notes.isDone
        trainer.generator = notes.generator
    }
}
