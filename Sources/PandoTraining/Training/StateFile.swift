import Foundation
import PandoTensor

/// The state of training in one safetensors file: tensors, and notes of what cannot be a tensor.
struct StateFile<Notes: Codable & Sendable>: Sendable {
    let path: String
    var tensors: [String: Tensor]
    let notes: Notes

    init(_ notes: Notes, tensors: [String: Tensor], at url: URL) {
        (path, self.notes, self.tensors) = (url.path, notes, tensors)
    }

    /// Reads a file of a format, made with what `fingerprint` stands for.
    /// - Throws: `TrainingError.unusableCheckpoint`.
    init(reading url: URL, format: String, fingerprint: String) throws(TrainingError) {
        path = url.path
        func unusable(_ reason: String) -> TrainingError { .unusableCheckpoint(path: url.path, reason: reason) }
        let file: SafetensorsFile
        do { file = try SafetensorsFile(url) } catch { throw unusable("\(error)") }
        guard file.metadata["format"] == format else {
            throw unusable("it is no \(format) of this version (\(file.metadata["format"] ?? "no format"))")
        }
        guard file.metadata["fingerprint"] == fingerprint else {
            throw unusable("the plan or the data has changed since; train anew, or bring the old ones back")
        }
        do { notes = try JSONDecoder().decode(Notes.self, from: Data((file.metadata["notes"] ?? "").utf8)) } catch {
            throw unusable("its notes are damaged: \(error)")
        }
        tensors = file.tensors.dictionary
    }

    /// Writes the file whole or not at all.
    func write(format: String, fingerprint: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(notes), as: UTF8.self)
        let url = URL(fileURLWithPath: path)
        try Folder.make(url.deletingLastPathComponent())
        try SafetensorsFile.write(
            tensors, metadata: ["format": format, "fingerprint": fingerprint, "notes": text], to: url)
    }

    /// The tensors whose names begin with `prefix`, without it.
    func part(_ prefix: String) -> [String: Tensor] {
        tensors.reduce(into: [:]) { result, entry in
            if entry.key.hasPrefix(prefix) { result[String(entry.key.dropFirst(prefix.count))] = entry.value }
        }
    }
}
