import Foundation
import PandoTensor

/// Adds rows to a feature store, many at a time.
///
/// Rows are collected in memory and written as a shard when there are enough; readers see them from then on. Rows of
/// the last, unfinished shard are written by `finish()`, and are lost without it.
///
/// Codecs that have something to learn learn it from the first rows of the collection, of which this waits for about
/// a thousand; of several processes that begin at once, all use what the first one learnt.
///
/// For one thread at a time.
public final class FeatureAppender {
    /// A shard is written when it has this many bytes…
    private static let shardBytes = 64 << 20
    /// …or this many rows, so that a killed run of small features loses little.
    private static let shardRows = 2048

    /// Rows added at a time, so that a shard of long rows exceeds its size by little.
    private static let chunkRows = 64

    /// Codecs learn from this many rows, or from the rows of this many bytes, if the collection gets so many.
    static let fittedRows = 1024
    private static let fittedBytes = 256 << 20

    private let collection: FeatureCollection
    private let folder: URL
    private let lock: FileLock
    private let capacity: Int
    private var keys: [String] = []
    /// Nil as long as there are too few rows to fit codecs to.
    private var codecs: CollectionCodecs?
    private var columns: [String: FeatureColumn] = [:]
    /// Rows that codecs will be fitted to.
    private var waiting: [(keys: [String], batches: [String: FeatureBatch])] = []
    /// Rows that are on disk and in the index because of this appender.
    public private(set) var storedCount = 0

    init(to collection: FeatureCollection) throws {
        self.collection = collection
        folder = collection.store.shards(of: collection.digest)
        lock = try FileLock(.shared, on: collection.store.appendingLock)
        let layouts = collection.layouts
        let leastBytes = layouts.values.reduce(0) { $0 + ($1.hasOffsets ? 0 : $1.bytesPerRow) }
        capacity = max(1, min(Self.shardRows, Self.shardBytes / max(leastBytes, 1)))
        codecs = try collection.codecs()
        columns = codecs?.byFeature.mapValues(FeatureColumn.init) ?? [:]
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
        guard codecs == nil else { return try add(keys, batches) }
        waiting.append((keys, batches))
        let rowCount = waiting.reduce(0) { $0 + $1.keys.count }
        let byteCount = waiting.reduce(0) { $1.batches.values.reduce($0) { $0 + $1.byteCount } }
        if rowCount >= Self.fittedRows || byteCount >= Self.fittedBytes { try fit() }
    }

    /// Fits codecs to the rows that wait, unless another process was first, and adds these rows.
    private func fit() throws {
        guard !waiting.isEmpty else { return }
        let (layouts, store) = (collection.layouts, collection.store)
        var agreed = try collection.codecs()
        if agreed == nil {
            let fitted = Dictionary(
                uniqueKeysWithValues: layouts.map { name, layout in
                    (name, FittedCodec(layout, fitting: waiting.compactMap { $0.batches[name] }))
                })
            agreed = try CollectionCodecs.agree(
                on: fitted, in: folder, layouts, identity: collection.digest, lock: store.codecsLock)
        }
        codecs = agreed
        columns = agreed?.byFeature.mapValues(FeatureColumn.init) ?? [:]
        let rows = waiting
        waiting = []
        for (keys, batches) in rows { try add(keys, batches) }
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
        try fit()
        guard !keys.isEmpty else { return nil }
        var tensors: [String: Tensor] = [:]
        for (name, column) in columns { tensors.merge(column.tensors(named: name)) { $1 } }
        let shard = try FeatureShard.write(
            tensors, keys: keys, digest: collection.digest, codecs: codecs?.digest, in: folder)
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
