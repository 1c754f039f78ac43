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

    private let collection: FeatureCollection
    private let folder: URL
    private let lock: FileLock
    private let capacity: Int
    private var keys: [String] = []
    private var buffers: [String: RowBuffer] = [:]
    /// Rows that are on disk and in the index because of this appender.
    public private(set) var storedCount = 0

    init(to collection: FeatureCollection) throws {
        self.collection = collection
        folder = collection.store.shards(of: collection.digest)
        lock = try FileLock(.shared, on: collection.store.appendingLock)
        capacity = max(1, min(Self.shardRows, Self.shardBytes / collection.identity.bytesPerRow))
    }

    /// Adds the features of one content: each of the identity's features, in its shape.
    /// - Throws: `FeatureStoreError`, `FileError`; the rows of earlier shards are safe then.
    public func append(_ key: String, _ features: [String: Tensor]) throws {
        try append([key], features.mapValues { $0.reshaped([1] + $0.shape) })
    }

    /// Adds the features of several contents: each of the identity's features, `[keys, …]`.
    ///
    /// A key that has a row already keeps it.
    /// - Throws: `FeatureStoreError`, `FileError`; the rows of earlier shards are safe then.
    /// - Precondition: exactly the identity's features, in its shapes; keys are not empty and hold no line break.
    public func append(_ keys: [String], _ features: [String: Tensor]) throws {
        let identity = collection.identity
        require(
            Set(features.keys) == Set(identity.features.keys),
            "FeatureAppender: expected features \(identity.features.keys.sorted()), got \(features.keys.sorted())")
        for (name, shape) in identity.features {
            require(
                features[name]?.shape == [keys.count] + shape,
                "FeatureAppender: expected \(name) of shape \([keys.count] + shape), got \(features[name]?.shape ?? [])"
            )
        }
        require(
            keys.allSatisfy { !$0.isEmpty && !$0.utf8.contains(UInt8(ascii: "\n")) },
            "FeatureAppender: a key is empty or has a line break")
        for (name, tensor) in features { try checkFinite(tensor, name, keys) }
        let stored = features.mapValues { $0.cast(to: identity.elementType) }
        var start = 0
        while start < keys.count {
            let end = min(keys.count, start + capacity - self.keys.count)
            for (name, tensor) in stored {
                buffer(name).append(tensor.slice(start..<end))
            }
            self.keys += keys[start..<end]
            start = end
            if self.keys.count == capacity { try flush() }
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
        for (name, buffer) in buffers {
            let shape = [keys.count] + (collection.identity.features[name] ?? [])
            tensors[name] = Tensor(
                sharing: buffer.filled, ownedBy: buffer, shape: shape, elementType: collection.identity.elementType)
        }
        let shard = try FeatureShard.write(tensors, keys: keys, digest: collection.digest, in: folder)
        keys = []
        buffers = [:]
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

    private func buffer(_ name: String) -> RowBuffer {
        if let buffer = buffers[name] { return buffer }
        let size = (collection.identity.features[name] ?? []).elementCount
        let buffer = RowBuffer(byteCount: capacity * size * collection.identity.elementType.byteCount)
        buffers[name] = buffer
        return buffer
    }

    private func checkFinite(_ tensor: Tensor, _ name: String, _ keys: [String]) throws {
        guard tensor.nonFiniteCount > 0 else { return }
        let bad = keys.indices.filter { tensor.slice($0..<$0 + 1).nonFiniteCount > 0 }.map { keys[$0] }
        throw FeatureStoreError(
            path: collection.store.directory.path,
            "feature \(name) of \(bad.joined(separator: ", ")) is NaN or infinite and was not stored")
    }
}

/// Memory that rows are collected in and a shard is written from.
///
/// `@unchecked Sendable`: one appender fills it; once `filled` is taken for a tensor, it is only read.
private final class RowBuffer: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer
    private var count = 0

    init(byteCount: Int) { memory = .allocate(byteCount: byteCount, alignment: 64) }

    deinit { memory.deallocate() }

    var filled: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

    func append(_ rows: Tensor) {
        rows.withBytes { bytes in
            UnsafeMutableRawBufferPointer(rebasing: memory[count..<count + bytes.count]).copyMemory(from: bytes)
            count += bytes.count
        }
    }
}
