import Foundation
import PandoTensor

/// Features on disk, so that a backbone sees each content once.
///
/// A row is the features of one content, found by the content's key under a `FeatureIdentity`. Rows stand in
/// *shards*, safetensors files that are never changed; an SQLite index tells which row is where. A shard is written
/// whole under its name before its rows enter the index, in one transaction. So a process that is killed loses at
/// most the rows it had not yet written, and no reader ever sees half a row.
///
/// Several processes may read and append at the same time; a key that two of them compute is kept once.
///
/// ```
/// index.sqlite
/// shards/IDENTITY/NAME.safetensors
/// shards/IDENTITY/codecs.safetensors    what codecs learnt, where features have such
/// ```
public final class FeatureStore: Sendable {
    public let directory: URL
    let index: FeatureIndex

    /// Opens the store, or begins one where there is none.
    /// - Throws: `FeatureStoreError`, `FileError`.
    public init(directory: URL) throws {
        self.directory = directory
        do {
            try FileManager.default.createDirectory(
                at: directory.appendingPathComponent(Self.shardsName), withIntermediateDirectories: true)
        } catch {
            throw FeatureStoreError(path: directory.path, "the directory cannot be made: \(error.localizedDescription)")
        }
        // Two processes that begin the same store at once must not both lay out its index.
        let opening = try FileLock(.exclusive, on: directory.appendingPathComponent("opening.lock"))
        index = try withExtendedLifetime(opening) {
            try FeatureIndex(at: directory.appendingPathComponent("index.sqlite"))
        }
    }

    /// The rows of one identity.
    /// - Throws: `FeatureStoreError`, `FileError`.
    public func collection(for identity: FeatureIdentity) throws -> FeatureCollection {
        let digest = identity.digest
        let folder = shards(of: digest)
        do { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) } catch {
            throw FeatureStoreError(path: folder.path, "the directory cannot be made: \(error.localizedDescription)")
        }
        let number = try index.number(of: identity, digest: digest)
        return FeatureCollection(store: self, identity: identity, digest: digest, number: number)
    }

    static let shardsName = "shards"

    /// Where the shards of an identity stand.
    func shards(of digest: String) -> URL {
        directory.appendingPathComponent(Self.shardsName).appendingPathComponent(String(digest.prefix(16)))
    }

    /// Held while the codecs of a collection are written.
    var codecsLock: URL { directory.appendingPathComponent("codecs.lock") }

    /// Held shared by whoever appends, exclusively by whoever removes files.
    var appendingLock: URL { directory.appendingPathComponent("appending.lock") }
}
