import Foundation
import PandoTensor

/// One file of features: for each feature a tensor `[rows, …]`, and the keys of the rows in the file's metadata.
struct FeatureShard: Sendable {
    /// A shard that stands on disk, whole and synced, but is not in the index yet.
    struct Written: Sendable {
        let name: String
        let digest: String
        let byteCount: Int
        let keys: [String]
    }

    let keys: [String]
    let features: [String: StoredFeature]

    private static let identityKey = "identity"
    private static let keysKey = "keys"
    private static let codecsKey = "codecs"

    /// Maps a shard and checks that it is the one that the index describes, but for its checksum.
    ///
    /// - Parameter codecs: the collection's; nil if there are none, though they would be needed.
    /// - Throws: `FeatureStoreError`, `CheckpointError`.
    init(
        _ record: FeatureIndex.ShardRecord, in folder: URL, of layouts: [String: FeatureLayout], digest: String,
        codecs: CollectionCodecs?
    ) throws {
        let url = folder.appendingPathComponent(record.name)
        func failure(_ text: String) -> FeatureStoreError {
            FeatureStoreError(path: url.path, "\(text); `pando features clean --damaged` removes such rows")
        }
        let file: SafetensorsFile
        do { file = try SafetensorsFile(url, requiringFinite: false) } catch {
            throw failure(error.problems.map(\.description).joined(separator: "; "))
        }
        guard file.metadata[Self.identityKey] == digest else {
            throw failure("the shard belongs to another identity")
        }
        guard let codecs else { throw failure("the codecs of the shard's features are gone") }
        guard file.metadata[Self.codecsKey] == codecs.digest else { throw failure("the shard was coded by other codecs") }
        keys = file.metadata[Self.keysKey]?.split(separator: "\n").map(String.init) ?? []
        guard keys.count == record.rowCount else {
            throw failure("the shard has \(keys.count) keys, the index says \(record.rowCount)")
        }
        var features: [String: StoredFeature] = [:]
        for (name, layout) in layouts {
            do throws(StoredFeature.Objection) {
                features[name] = try StoredFeature(name, in: file.tensors, rowCount: keys.count, layout: layout)
            } catch { throw failure(error.text) }
        }
        self.features = features
    }

    /// Writes a shard under a name that no process has used.
    static func write(
        _ tensors: [String: Tensor], keys: [String], digest: String, codecs: String?, in folder: URL
    ) throws -> Written {
        let name = "\(UUID().uuidString.lowercased()).safetensors"
        let url = folder.appendingPathComponent(name)
        var metadata = [identityKey: digest, keysKey: keys.joined(separator: "\n")]
        metadata[codecsKey] = codecs
        try SafetensorsFile.write(tensors, metadata: metadata, to: url)
        let file = try MappedFile(url)
        return Written(
            name: name, digest: FileDigest.of(Data(bytesNoCopy: file)), byteCount: file.count, keys: keys)
    }
}

extension Data {
    /// The bytes of `file`, not copied.
    init(bytesNoCopy file: MappedFile) {
        guard let start = file.bytes.baseAddress else {
            self.init()
            return
        }
        self.init(
            bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: file.count,
            deallocator: .custom { _, _ in withExtendedLifetime(file) {} })
    }
}
