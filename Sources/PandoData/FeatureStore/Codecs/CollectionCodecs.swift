import Foundation
import PandoTensor

/// The codecs of a collection's features, and the file in which they stand beside its shards.
///
/// The file holds what the codecs learnt, `FEATURE.PARAMETER`. It is written once, by whoever is first, and never
/// changed; each shard notes its checksum. Codecs that learn nothing need no file.
struct CollectionCodecs: Sendable {
    let byFeature: [String: FittedCodec]
    /// The file's SHA-256; nil if none is needed.
    let digest: String?

    static let fileName = "codecs.safetensors"
    private static let identityKey = "identity"

    private init(unfitted layouts: [String: FeatureLayout]) {
        byFeature = layouts.mapValues { FittedCodec($0, fitting: []) }
        digest = nil
    }

    /// Reads the file in `folder`.
    /// - Throws: `FeatureStoreError` if it is damaged or of another identity.
    private init(in folder: URL, _ layouts: [String: FeatureLayout], identity: String) throws {
        let url = folder.appendingPathComponent(Self.fileName)
        func failure(_ text: String) -> FeatureStoreError {
            FeatureStoreError(
                path: url.path, "\(text). Without these codecs no row can be read; `pando features clean --damaged` "
                    + "removes the rows, which can be computed again")
        }
        let file: SafetensorsFile
        do { file = try SafetensorsFile(url) } catch {
            throw failure(error.problems.map(\.description).joined(separator: "; "))
        }
        guard file.metadata[Self.identityKey] == identity else { throw failure("the codecs belong to another identity") }
        var codecs: [String: FittedCodec] = [:]
        for (name, layout) in layouts {
            var parameters: [String: Tensor] = [:]
            for (key, tensor) in file.tensors where key.hasPrefix(name + ".") {
                parameters[String(key.dropFirst(name.count + 1))] = tensor
            }
            do throws(CodecObjection) { codecs[name] = try FittedCodec(layout, parameters: parameters) } catch {
                throw failure("the codec of \(name) cannot be used: \(error.text)")
            }
        }
        byFeature = codecs
        digest = try FileDigest.ofFile(url)
    }

    /// The codecs of a collection with its shards in `folder`; nil if they have still to learn.
    /// - Throws: `FeatureStoreError` if their file is damaged or of another identity.
    static func current(
        _ layouts: [String: FeatureLayout], in folder: URL, identity: String
    ) throws -> CollectionCodecs? {
        guard layouts.values.contains(where: \.codec.coding.isFitted) else { return CollectionCodecs(unfitted: layouts) }
        let path = folder.appendingPathComponent(fileName).path
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try CollectionCodecs(in: folder, layouts, identity: identity)
    }

    /// Makes `fitted` the codecs of the collection, unless another process was first: then its are returned.
    static func agree(
        on fitted: [String: FittedCodec], in folder: URL, _ layouts: [String: FeatureLayout], identity: String,
        lock: URL
    ) throws -> CollectionCodecs {
        let held = try FileLock(.exclusive, on: lock)
        return try withExtendedLifetime(held) {
            if let first = try current(layouts, in: folder, identity: identity) { return first }
            var parameters: [String: Tensor] = [:]
            for (name, codec) in fitted {
                for (key, tensor) in codec.parameters { parameters["\(name).\(key)"] = tensor }
            }
            let url = folder.appendingPathComponent(fileName)
            try SafetensorsFile.write(parameters, metadata: [identityKey: identity], to: url)
            return try CollectionCodecs(in: folder, layouts, identity: identity)
        }
    }
}
