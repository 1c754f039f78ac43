import Foundation
import PandoTensor

/// The rows of a feature store under one identity.
public struct FeatureCollection: Sendable {
    public let identity: FeatureIdentity
    let store: FeatureStore
    let digest: String
    /// The identity's number in the index.
    let number: Int64
    /// How each feature stands in a shard.
    let layouts: [String: FeatureLayout]

    init(store: FeatureStore, identity: FeatureIdentity, digest: String, number: Int64) {
        self.store = store
        self.identity = identity
        self.digest = digest
        self.number = number
        layouts = identity.layouts
    }

    /// What has been learnt to code features, if anything had to be; nil as long as nobody stored rows.
    func codecs() throws -> CollectionCodecs? {
        try CollectionCodecs.current(layouts, in: store.shards(of: digest), identity: digest)
    }

    /// How many rows there are now.
    public var count: Int { get throws { try store.index.rowCount(identity: number) } }

    /// Which of `keys` have no row yet, in their order, each once.
    public func missing(_ keys: [String]) throws -> [String] {
        let places = try store.index.places(of: keys, identity: number)
        var seen: Set<String> = []
        return keys.filter { places[$0] == nil && seen.insert($0).inserted }
    }

    /// Adds rows. Close it with `finish()`.
    public func appender() throws -> FeatureAppender { try FeatureAppender(to: self) }

    /// The rows of `keys`, ready to be read: their places looked up, their shards mapped.
    ///
    /// Resolve once and read many times: reading then touches neither the index nor the file system's names.
    /// - Throws: `FeatureStoreError`, if a key has no row or a shard is missing or damaged.
    public func resolve(_ keys: [String]) throws -> FeatureRows {
        let places = try store.index.places(of: keys, identity: number)
        let lost = keys.filter { places[$0] == nil }
        guard lost.isEmpty else {
            let some = lost.prefix(3).joined(separator: ", ")
            throw FeatureStoreError(
                path: store.directory.path, "\(lost.count) of \(keys.count) keys have no features: \(some)")
        }
        let codecs = try codecs()
        var shards: [FeatureShard] = []
        var shardPositions: [Int64: Int] = [:]
        for record in try store.index.shards(Set(places.values.map(\.shard))) {
            shardPositions[record.number] = shards.count
            shards.append(
                try FeatureShard(record, in: store.shards(of: digest), of: layouts, digest: digest, codecs: codecs))
        }
        let rows = try keys.map { key in
            guard let place = places[key], let shard = shardPositions[place.shard],
                shards[shard].keys.indices.contains(place.position), shards[shard].keys[place.position] == key
            else {
                throw FeatureStoreError(
                    path: store.directory.path,
                    "the index leads \(key) to a row that is not its own; run `pando features verify`")
            }
            return FeatureRows.Place(shard: shard, position: place.position)
        }
        return FeatureRows(
            keys: keys, identity: identity, layouts: layouts, codecs: codecs?.byFeature ?? [:], shards: shards,
            places: rows)
    }

    /// One feature of `keys`, `[keys, …]` in float32; varying ones are padded with zeros.
    public func rows(_ keys: [String], of feature: String) throws -> Tensor {
        try resolve(keys).tensor(of: feature)
    }
}
