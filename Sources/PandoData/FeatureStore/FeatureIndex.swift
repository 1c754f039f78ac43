import Foundation
import GRDB
import PandoTensor

/// The index of a feature store: which row of which shard holds the features of a key.
///
/// Several processes use it at once: SQLite's write-ahead log lets readers go on while one writes, and a writer waits
/// for the other. Commits are synced, so that what a reader has seen survives a loss of power.
final class FeatureIndex: Sendable {
    /// A shard as the index knows it.
    struct ShardRecord: Sendable {
        let number: Int64
        let name: String
        let digest: String
        let byteCount: Int
        let rowCount: Int
    }

    /// Where one key's row stands.
    struct Place: Sendable {
        let shard: Int64
        let position: Int
    }

    private static let version = 1
    private static let waitingTime: TimeInterval = 60
    /// SQLite limits the values of one statement.
    private static let keysPerStatement = 500

    let path: String
    private let database: DatabasePool

    init(at url: URL) throws {
        path = url.path
        var configuration = Configuration()
        configuration.busyMode = .timeout(Self.waitingTime)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        do { database = try DatabasePool(path: url.path, configuration: configuration) } catch let error
            as DatabaseError
        {
            throw FeatureStoreError(path: url.path, index: error)
        }
        let found = try write { database in
            let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
            if found == 0 { try database.execute(sql: Self.schema + "PRAGMA user_version = \(Self.version);") }
            return found
        }
        guard found <= Self.version else {
            throw FeatureStoreError(
                path: path, "the index has version \(found), this program knows \(Self.version): use a newer one")
        }
    }

    private static let schema = """
        CREATE TABLE identity (
            number INTEGER PRIMARY KEY,
            digest TEXT NOT NULL UNIQUE,
            description TEXT NOT NULL);
        CREATE TABLE shard (
            number INTEGER PRIMARY KEY,
            identity INTEGER NOT NULL REFERENCES identity(number) ON DELETE CASCADE,
            name TEXT NOT NULL UNIQUE,
            digest TEXT NOT NULL,
            byteCount INTEGER NOT NULL,
            rowCount INTEGER NOT NULL);
        CREATE INDEX shardIdentity ON shard(identity);
        CREATE TABLE row (
            identity INTEGER NOT NULL REFERENCES identity(number) ON DELETE CASCADE,
            key TEXT NOT NULL,
            shard INTEGER NOT NULL REFERENCES shard(number) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            PRIMARY KEY (identity, key)) WITHOUT ROWID;
        CREATE INDEX rowShard ON row(shard);
        CREATE TABLE content (
            path TEXT PRIMARY KEY,
            byteCount INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            digest TEXT NOT NULL) WITHOUT ROWID;

        """

    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        do { return try database.read(body) } catch let error as DatabaseError {
            throw FeatureStoreError(path: path, index: error)
        }
    }

    /// Runs `body` as one transaction: all of it happens, or nothing.
    func write<Result>(_ body: (Database) throws -> Result) throws -> Result {
        do { return try database.write(body) } catch let error as DatabaseError {
            throw FeatureStoreError(path: path, index: error)
        }
    }

    /// The number of an identity, which is entered if it is new.
    func number(of identity: FeatureIdentity, digest: String) throws -> Int64 {
        let find = "SELECT number FROM identity WHERE digest = ?"
        if let known = try read({ try Int64.fetchOne($0, sql: find, arguments: [digest]) }) { return known }
        return try write { database in
            try database.execute(
                sql: "INSERT OR IGNORE INTO identity (digest, description) VALUES (?, ?)",
                arguments: [digest, identity.json])
            guard let number = try Int64.fetchOne(database, sql: find, arguments: [digest]) else {
                throw FeatureStoreError(path: self.path, "the index did not keep an identity")
            }
            return number
        }
    }

    /// Where the rows of `keys` stand; keys without a row are left out.
    func places(of keys: [String], identity: Int64) throws -> [String: Place] {
        try read { database in
            var places: [String: Place] = [:]
            places.reserveCapacity(keys.count)
            for start in stride(from: 0, to: keys.count, by: Self.keysPerStatement) {
                let part = keys[start..<min(start + Self.keysPerStatement, keys.count)]
                let marks = databaseQuestionMarks(count: part.count)
                let statement = try database.cachedStatement(
                    sql: "SELECT key, shard, position FROM row WHERE identity = ? AND key IN (\(marks))")
                let rows = try Row.fetchCursor(
                    statement, arguments: StatementArguments([identity]) + StatementArguments(part))
                while let row = try rows.next() { places[row[0]] = Place(shard: row[1], position: row[2]) }
            }
            return places
        }
    }

    /// The shards with the given numbers.
    func shards(_ numbers: Set<Int64>) throws -> [ShardRecord] {
        try read { database in
            try numbers.sorted().compactMap { number in
                try Row.fetchOne(database, sql: "SELECT * FROM shard WHERE number = ?", arguments: [number])
                    .map(ShardRecord.init)
            }
        }
    }

    /// How many rows an identity has.
    func rowCount(identity: Int64) throws -> Int {
        try read {
            try Int.fetchOne($0, sql: "SELECT count(*) FROM row WHERE identity = ?", arguments: [identity]) ?? 0
        }
    }

    /// Enters a shard and its rows, in one transaction. A key that already has a row keeps it.
    ///
    /// Returns how many rows are new; if none is, the shard is not entered either.
    func enter(_ shard: FeatureShard.Written, identity: Int64) throws -> Int {
        struct NothingNew: Error {}
        do {
            return try write { database in
                try database.execute(
                    sql: "INSERT INTO shard (identity, name, digest, byteCount, rowCount) VALUES (?, ?, ?, ?, ?)",
                    arguments: [identity, shard.name, shard.digest, shard.byteCount, shard.keys.count])
                let number = database.lastInsertedRowID
                let statement = try database.cachedStatement(
                    sql: "INSERT OR IGNORE INTO row (identity, key, shard, position) VALUES (?, ?, ?, ?)")
                var entered = 0
                for (position, key) in shard.keys.enumerated() {
                    try statement.execute(arguments: [identity, key, number, position])
                    entered += database.changesCount
                }
                if entered == 0 { throw NothingNew() }
                return entered
            }
        } catch is NothingNew {
            return 0
        }
    }
}

extension FeatureIndex.ShardRecord {
    init(_ row: Row) {
        self.init(
            number: row["number"], name: row["name"], digest: row["digest"], byteCount: row["byteCount"],
            rowCount: row["rowCount"])
    }
}
