import Foundation
import PandoTensor

extension MediaFeatures {
    /// Writes a safetensors file: `pooled` `[rows, C]`, `timestamps` `[rows]` in seconds, `source` `[rows]` as
    /// positions in the list of files, and each tap under its own name.
    ///
    /// The metadata hold `backbone`, `sources` and `unreadable`, the last two as JSON.
    /// - Throws: `FileError`.
    public func write(to url: URL, backbone: String) throws {
        var tensors = taps
        tensors["pooled"] = pooled
        tensors["timestamps"] = Tensor(timestamps)
        tensors["source"] = Tensor(
            sources.enumerated().flatMap { [Int32](repeating: Int32($0), count: $1.rowCount) })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let metadata = [
            "format": "pt", "backbone": backbone,
            "sources": String(decoding: try encoder.encode(sources), as: UTF8.self),
            "unreadable": String(decoding: try encoder.encode(unreadable), as: UTF8.self),
        ]
        try SafetensorsFile.write(tensors, metadata: metadata, to: url)
    }
}
