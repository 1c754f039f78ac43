import Foundation
import PandoTensor

/// Adds rows to a feature store, many at a time.
///
/// Rows are collected in memory and written as a shard when there are enough; readers see them from then on. Rows of
/// the last, unfinished shard are written by `finish()`, and are lost without it.
///
/// For one thread at a time.
public final class FeatureAppender {
    /// A shard is written when it has this many bytes…
    private static let shardBytes = 64 << 20
    /// …or this many rows, so that a killed run of small features loses little.
    private static let shardRows = 2048

    /// Rows added at a time, so that a shard of long rows exceeds its size by little.
    private static let chunkRows = 64

    private let collection: FeatureCollection
    private let folder: URL
    private let lock: FileLock
    private let capacity: Int
    private var keys: [String] = []
    private let columns: [String: FeatureColumn]
    /// Rows that are on disk and in the index because of this appender.
    public private(set) var storedCount = 0

    init(to collection: FeatureCollection) throws {
        self.collection = collection
        folder = collection.store.shards(of: collection.digest)
        lock = try FileLock(.shared, on: collection.store.appendingLock)
        let layouts = collection.identity.layouts
        let leastBytes = layouts.values.reduce(0) { $0 + ($1.hasOffsets ? 0 : $1.bytesPerRow) }
        capacity = max(1, min(Self.shardRows, Self.shardBytes / max(leastBytes, 1)))
        columns = layouts.mapValues { FeatureColumn(FittedCodec($0)) }
    }

    /// Adds the features of one content: each of the identity's features, in its shape; a varying one of any length.
    /// - Throws: `FeatureStoreError`, `FileError`; the rows of earlier shards are safe then.
    public func append(_ key: String, _ features: [String: Tensor]) throws {
        try append([key], features.mapValues { $0.reshaped([1] + $0.shape) })
    }

    /// Adds the features of several contents: each of the identity's features, `[keys, …]`.
    ///
    /// A key that has a row already keeps it.
    /// - Parameter lengths: of varying features, how many steps each key has; what follows them is padding and is not
    ///   stored. Without them, all keys have as many as the tensor.
    /// - Throws: `FeatureStoreError`, `FileError`; the rows of earlier shards are safe then.
    /// - Precondition: exactly the identity's features, in its shapes, varying ones no longer than those; keys are not
    ///   empty and hold no line break.
    public func append(
        _ keys: [String], _ features: [String: Tensor], lengths: [String: [Int]] = [:]
    ) throws {
        let layouts = collection.layouts
        require(
            Set(features.keys) == Set(layouts.keys) && lengths.keys.allSatisfy { layouts[$0] != nil },
            "FeatureAppender: expected features \(layouts.keys.sorted()), got \(features.keys.sorted()) and lengths of "
                + "\(lengths.keys.sorted())")
        require(
            keys.allSatisfy { !$0.isEmpty && !$0.utf8.contains(UInt8(ascii: "\n")) },
            "FeatureAppender: a key is empty or has a line break")
        var batches: [String: FeatureBatch] = [:]
        for (name, layout) in layouts {
            guard let tensor = features[name] else { continue }
            let batch = FeatureBatch(name, tensor, lengths: lengths[name], rowCount: keys.count, layout: layout)
            let bad = batch.nonFiniteRows.map { keys[$0] }
            guard bad.isEmpty else {
                throw FeatureStoreError(
                    path: collection.store.directory.path,
                    "feature \(name) of \(bad.joined(separator: ", ")) is NaN or infinite and was not stored")
            }
            batches[name] = batch
        }
        try add(keys, batches)
    }

    private func add(_ keys: [String], _ batches: [String: FeatureBatch]) throws {
        var start = 0
        while start < keys.count {
            let end = min(keys.count, start + Self.chunkRows, start + capacity - self.keys.count)
            for (name, batch) in batches { columns[name]?.append(batch, rows: start..<end) }
            self.keys += keys[start..<end]
            start = end
            let byteCount = columns.values.reduce(0) { $0 + $1.byteCount }
            if self.keys.count == capacity || byteCount >= Self.shardBytes { try flush() }
        }
    }

    /// Writes what is still in memory. Returns how many rows this appender added in all.
    @discardableResult
    public func finish() throws -> Int {
        try flush()
        return storedCount
    }

    private func flush() throws {
        guard let shard = try writeShard() else { return }
        try enter(shard)
    }

    /// Writes the collected rows as a shard that the index does not know yet.
    func writeShard() throws -> FeatureShard.Written? {
        guard !keys.isEmpty else { return nil }
        var tensors: [String: Tensor] = [:]
        for (name, column) in columns { tensors.merge(column.tensors(named: name)) { $1 } }
        let shard = try FeatureShard.write(tensors, keys: keys, digest: collection.digest, in: folder)
        keys = []
        return shard
    }

    /// Makes a written shard's rows visible.
    func enter(_ shard: FeatureShard.Written) throws {
        let entered: Int
        do { entered = try collection.store.index.enter(shard, identity: collection.number) } catch {
            // Without its rows the shard is of no use, and on a full disk its room is needed.
            try remove(shard)
            throw error
        }
        if entered == 0 { try remove(shard) }
        storedCount += entered
    }

    private func remove(_ shard: FeatureShard.Written) throws {
        try FileManager.default.removeItem(at: folder.appendingPathComponent(shard.name))
    }
}
