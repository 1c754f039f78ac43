import Foundation
import PandoTensor

/// The last result of each reproduction, and of each without a part: a JSON file each.
public struct ReproductionRecords: Sendable {
    public let folder: URL

    public init(at folder: URL) { self.folder = folder }

    /// Where a result lies.
    public func file(of name: String, without part: String? = nil) -> URL {
        folder.appendingPathComponent(name + (part.map { ".without-\($0)" } ?? "") + ".json")
    }

    /// Keeps a result in the place of the one before.
    /// - Throws: `FileError`, or what making the folder throws.
    public func keep(_ result: ReproductionResult) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        try AtomicFile.write(encoder.encode(result), to: file(of: result.name, without: result.missing))
    }

    /// The last result; `nil` if there is none.
    /// - Throws: `ReproductionError` if the file holds something else.
    public func last(of name: String, without part: String? = nil) throws(ReproductionError) -> ReproductionResult? {
        let file = file(of: name, without: part)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do { return try decoder.decode(ReproductionResult.self, from: Data(contentsOf: file)) } catch {
            throw ReproductionError("\(file.path) is no record of a reproduction; remove it, or run \(name) again: \(error)")
        }
    }
}
