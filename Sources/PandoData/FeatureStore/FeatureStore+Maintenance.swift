import Foundation
import GRDB
import PandoTensor

/// What one identity takes in a feature store.
public struct FeatureIdentityInfo: Sendable, Codable {
    public let digest: String
    public let identity: FeatureIdentity
    public let rowCount: Int
    public let shardCount: Int
    public let byteCount: Int
}

/// What an inspection of a feature store found.
public struct FeatureStoreReport: Sendable, Codable {
    /// A shard whose rows cannot be trusted.
    public struct Damage: Sendable, Codable {
        public let path: String
        public let text: String
        public let rowCount: Int
    }

    public var shardCount = 0
    public var rowCount = 0
    public var byteCount = 0
    public var damages: [Damage] = []
    /// Files that no row needs: left by a process that was killed, or computed by two at once.
    public var orphans: [String] = []
}

/// What a removal took away.
public struct FeatureStoreRemoval: Sendable, Codable {
    public var fileCount = 0
    public var byteCount = 0
    public var rowCount = 0

    public init() {}
}

extension FeatureStore {
    /// Every identity with what it takes.
    public func info() throws -> [FeatureIdentityInfo] {
        try index.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT digest, description,
                        (SELECT count(*) FROM row WHERE row.identity = identity.number) AS rowCount,
                        (SELECT count(*) FROM shard WHERE shard.identity = identity.number) AS shardCount,
                        (SELECT total(byteCount) FROM shard WHERE shard.identity = identity.number) AS byteCount
                    FROM identity ORDER BY number
                    """
            ).map { row in
                FeatureIdentityInfo(
                    digest: row["digest"], identity: try decode(row["description"]), rowCount: row["rowCount"],
                    shardCount: row["shardCount"], byteCount: Int(row["byteCount"] as Double))
            }
        }
    }

    /// Reads every shard and compares it with its checksum and its rows. Changes nothing.
    /// - Cost: reads the whole store once.
    public func verify() throws -> FeatureStoreReport {
        var report = FeatureStoreReport()
        for entry in try entries() {
            report.shardCount += 1
            report.rowCount += entry.rows.count
            report.byteCount += entry.record.byteCount
            let url = shards(of: entry.digest).appendingPathComponent(entry.record.name)
            if let text = try damage(of: entry, at: url) {
                report.damages.append(.init(path: url.path, text: text, rowCount: entry.rows.count))
            }
        }
        report.orphans = try orphans().map(\.path)
        return report
    }

    /// Removes files that no row needs.
    /// - Throws: `FeatureStoreError` if another process is appending: its newest file looks like one of these.
    public func removeOrphans() throws -> FeatureStoreRemoval {
        try removing { removal in
            for url in try orphans() { try remove(url, &removal) }
            try index.write {
                try $0.execute(sql: "DELETE FROM shard WHERE number NOT IN (SELECT shard FROM row)")
            }
        }
    }

    /// Removes shards whose contents are not what was written, or whose codecs are not, with their rows; these are then
    /// computed again.
    public func removeDamaged() throws -> FeatureStoreRemoval {
        try removing { removal in
            for entry in try entries() {
                let url = shards(of: entry.digest).appendingPathComponent(entry.record.name)
                guard try damage(of: entry, at: url) != nil else { continue }
                try index.write {
                    try $0.execute(sql: "DELETE FROM shard WHERE number = ?", arguments: [entry.record.number])
                }
                removal.rowCount += entry.rows.count
                if FileManager.default.fileExists(atPath: url.path) { try remove(url, &removal) }
            }
            for info in try info() {
                let folder = shards(of: info.digest)
                do {
                    _ = try CollectionCodecs.current(info.identity.layouts, in: folder, identity: info.digest)
                } catch _ as FeatureStoreError {
                    try remove(folder.appendingPathComponent(CollectionCodecs.fileName), &removal)
                }
            }
        }
    }

    /// Removes everything of one identity, named by its digest or an unambiguous beginning of it.
    public func remove(identity prefix: String) throws -> FeatureStoreRemoval {
        let all = try info()
        let meant = all.filter { $0.digest.hasPrefix(prefix) }
        guard meant.count == 1, let info = meant.first else {
            let known = all.map { String($0.digest.prefix(16)) }.joined(separator: ", ")
            throw FeatureStoreError(
                path: directory.path,
                "\(meant.count) identities begin with \(prefix); there are \(known.isEmpty ? "none" : known)")
        }
        return try removing { removal in
            try index.write {
                try $0.execute(sql: "DELETE FROM identity WHERE digest = ?", arguments: [info.digest])
            }
            removal.rowCount = info.rowCount
            for url in try files(in: shards(of: info.digest)) { try remove(url, &removal) }
        }
    }

    // MARK: Parts

    /// A shard with the rows that the index leads to it.
    private struct Entry {
        let digest: String
        let identity: FeatureIdentity
        let record: FeatureIndex.ShardRecord
        let rows: [(key: String, position: Int)]
    }

    private func entries() throws -> [Entry] {
        try index.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT shard.*, identity.digest AS identityDigest, description
                    FROM shard JOIN identity ON shard.identity = identity.number ORDER BY shard.number
                    """
            ).map { row in
                let record = FeatureIndex.ShardRecord(row)
                let rows = try Row.fetchAll(
                    database, sql: "SELECT key, position FROM row WHERE shard = ?", arguments: [record.number])
                return Entry(
                    digest: row["identityDigest"], identity: try decode(row["description"]), record: record,
                    rows: rows.map { ($0[0], $0[1]) })
            }
        }
    }

    private func decode(_ description: String) throws -> FeatureIdentity {
        do { return try JSONDecoder().decode(FeatureIdentity.self, from: Data(description.utf8)) } catch {
            throw FeatureStoreError(path: index.path, "an identity in the index cannot be read: \(error)")
        }
    }

    /// What is wrong with a shard, or `nil`.
    private func damage(of entry: Entry, at url: URL) throws -> String? {
        let digest: String
        do throws(FileError) { digest = try FileDigest.ofFile(url) } catch { return error.description }
        guard digest == entry.record.digest else { return "its checksum is not the one that was written" }
        let (layouts, folder) = (entry.identity.layouts, url.deletingLastPathComponent())
        let shard: FeatureShard
        do {
            let codecs = try CollectionCodecs.current(layouts, in: folder, identity: entry.digest)
            shard = try FeatureShard(
                entry.record, in: folder, of: layouts, digest: entry.digest, codecs: codecs)
        } catch let error as FeatureStoreError { return error.text }
        for (key, position) in entry.rows {
            guard shard.keys.indices.contains(position), shard.keys[position] == key else {
                return "the index leads \(key) to row \(position), which is not its own"
            }
        }
        return nil
    }

    /// Files under the shards' folder that the index does not know or leads no row to.
    private func orphans() throws -> [URL] {
        let folder = directory.appendingPathComponent(Self.shardsName)
        // Files are listed before the index is read: a shard entered in between is then no orphan.
        let found = try files(in: folder).flatMap { try files(in: $0) }
        let (names, identities) = try index.read { database in
            (
                try String.fetchSet(
                    database, sql: "SELECT DISTINCT name FROM shard JOIN row ON row.shard = shard.number"),
                try String.fetchAll(
                    database,
                    sql: """
                        SELECT digest FROM identity
                        WHERE EXISTS (SELECT * FROM row WHERE row.identity = identity.number)
                        """)
            )
        }
        let codecs = Set(identities.map { shards(of: $0).appendingPathComponent(CollectionCodecs.fileName).path })
        return found.filter { !names.contains($0.lastPathComponent) && !codecs.contains($0.path) }
            .sorted { $0.path < $1.path }
    }

    private func files(in folder: URL) throws -> [URL] {
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).map(folder.appendingPathComponent)
    }

    private func remove(_ url: URL, _ removal: inout FeatureStoreRemoval) throws {
        let size = try FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int
        try FileManager.default.removeItem(at: url)
        removal.fileCount += 1
        removal.byteCount += size ?? 0
    }

    /// Runs a removal while nobody appends.
    private func removing(_ body: (inout FeatureStoreRemoval) throws -> Void) throws -> FeatureStoreRemoval {
        guard let lock = try FileLock(exclusiveNowOn: appendingLock) else {
            throw FeatureStoreError(
                path: directory.path, "another process is adding features; try again when it is done")
        }
        var removal = FeatureStoreRemoval()
        try withExtendedLifetime(lock) { try body(&removal) }
        return removal
    }
}
