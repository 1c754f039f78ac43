import Foundation
import GRDB
import PandoData

/// Why the registry of runs cannot be used.
public struct RunRegistryError: Error, Sendable, CustomStringConvertible {
    public var description: String
}

/// Every training run on this machine, in one SQLite file that several processes may use at once.
///
/// Each report is one transaction, so a killed run leaves a whole record up to its last report. A run whose process
/// is gone without an end is listed as `killed`.
public final class RunRegistry: Sendable {
    /// The file.
    public let url: URL
    private let queue: DatabaseQueue

    /// Opens the registry, made with its folder if it is not there.
    public init(at url: URL) throws(RunRegistryError) {
        self.url = url
        do {
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            configuration.journalMode = .wal
            // Two processes that begin the same registry at once must not both lay out its tables.
            let opening = try FileLock(.exclusive, on: url.appendingPathExtension("lock"))
            let queue = try withExtendedLifetime(opening) {
                let queue = try DatabaseQueue(path: url.path, configuration: configuration)
                try Self.migrations.migrate(queue)
                return queue
            }
            self.queue = queue
        } catch {
            throw RunRegistryError(
                description: "the registry of runs at \(url.path) cannot be opened: \(error); "
                    + "move the file away to start a new one")
        }
    }

    private static var migrations: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: runs and metrics") { database in
            try database.create(table: "run") { table in
                table.primaryKey("id", .text)
                table.column("planName", .text).notNull()
                table.column("planText", .text).notNull()
                table.column("started", .double).notNull().indexed()
                table.column("finished", .double)
                table.column("status", .text).notNull()
                table.column("seed", .text).notNull()
                table.column("machine", .text).notNull()
                table.column("host", .text).notNull()
                table.column("process", .integer).notNull()
                table.column("bundlePath", .text).notNull()
                table.column("message", .text)
            }
            try database.create(table: "metric") { table in
                table.autoIncrementedPrimaryKey("number")
                table.column("run", .text).notNull().indexed().references("run", onDelete: .cascade)
                table.column("step", .integer).notNull()
                table.column("epoch", .integer).notNull()
                table.column("task", .text).notNull()
                table.column("phase", .text).notNull()
                table.column("name", .text).notNull()
                // No value: the number was not finite, which SQLite cannot hold.
                table.column("value", .double)
            }
        }
        return migrator
    }

    // MARK: Writing

    /// Records the start of a run of this process.
    public func start(
        planName: String, planText: String, seed: UInt64, bundlePath: String, at date: Date = Date()
    ) throws(RunRegistryError) -> Run {
        let id = Self.timeStamp(date) + String(format: "-%08x", UInt32.random(in: 0 ... .max))
        let run = Run(
            id: id, planName: planName, planText: planText, started: date, finished: nil, status: .running,
            seed: seed, machine: Machine.description, process: ProcessInfo.processInfo.processIdentifier,
            bundlePath: bundlePath, message: nil)
        try write { database in
            try database.execute(
                sql: """
                    INSERT INTO run (id, planName, planText, started, status, seed, machine, host, process, bundlePath)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    run.id, run.planName, run.planText, run.started.timeIntervalSince1970, run.status.rawValue,
                    String(run.seed), run.machine, Machine.hostName, run.process, run.bundlePath,
                ])
        }
        return run
    }

    /// Adds numbers to a run's history.
    public func report(_ metrics: [RunMetric], of id: Run.ID) throws(RunRegistryError) {
        try write { database in
            let statement = try database.makeStatement(
                sql: "INSERT INTO metric (run, step, epoch, task, phase, name, value) VALUES (?, ?, ?, ?, ?, ?, ?)")
            for metric in metrics {
                try statement.execute(arguments: [
                    id, metric.step, metric.epoch, metric.task, metric.phase.rawValue, metric.name,
                    metric.value.isFinite ? metric.value : nil,
                ])
            }
        }
    }

    /// Records the end of a run.
    public func end(_ id: Run.ID, as status: Run.Status, message: String? = nil) throws(RunRegistryError) {
        try write { database in
            try database.execute(
                sql: "UPDATE run SET status = ?, finished = ?, message = ? WHERE id = ?",
                arguments: [status.rawValue, Date().timeIntervalSince1970, message, id])
        }
    }

    /// Marks an interrupted or killed run as running again, in this process.
    public func resume(_ id: Run.ID) throws(RunRegistryError) {
        try write { database in
            try database.execute(
                sql: "UPDATE run SET status = ?, finished = NULL, message = NULL, process = ?, host = ? WHERE id = ?",
                arguments: [
                    Run.Status.running.rawValue, ProcessInfo.processInfo.processIdentifier, Machine.hostName, id,
                ])
        }
    }

    // MARK: Reading

    /// All runs, the latest first.
    public func runs() throws(RunRegistryError) -> [Run] {
        try read { try Row.fetchAll($0, sql: "SELECT * FROM run ORDER BY started DESC, id DESC").map(Self.run) }
    }

    /// The run whose id is `id`, or begins with it if only one does.
    public func run(_ id: String) throws(RunRegistryError) -> Run {
        let all = try runs()
        if let exact = all.first(where: { $0.id == id }) { return exact }
        let beginning = all.filter { !id.isEmpty && $0.id.hasPrefix(id) }
        if beginning.count == 1 { return beginning[0] }
        let reason = beginning.isEmpty ? "there is no run '\(id)'" : "\(beginning.count) runs begin with '\(id)'"
        let near = Suggestion.nearest(to: id, among: all.map(\.id)).map { "; did you mean '\($0)'?" } ?? ""
        throw RunRegistryError(description: reason + near)
    }

    /// What a run reported, in the order of reporting.
    public func metrics(of id: Run.ID) throws(RunRegistryError) -> [RunMetric] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM metric WHERE run = ? ORDER BY number", arguments: [id]).map {
                RunMetric(
                    step: $0["step"], epoch: $0["epoch"], task: $0["task"],
                    phase: RunMetric.Phase(rawValue: $0["phase"]) ?? .train, name: $0["name"],
                    value: ($0["value"] as Double?) ?? .nan)
            }
        }
    }

    private static func run(_ row: Row) -> Run {
        var status = Run.Status(rawValue: row["status"]) ?? .failed
        let process: Int32 = row["process"]
        if status == .running, row["host"] == Machine.hostName, !Machine.isAlive(process: process) { status = .killed }
        return Run(
            id: row["id"], planName: row["planName"], planText: row["planText"],
            started: Date(timeIntervalSince1970: row["started"]),
            finished: (row["finished"] as Double?).map(Date.init(timeIntervalSince1970:)), status: status,
            seed: UInt64(row["seed"] as String) ?? 0, machine: row["machine"], process: process,
            bundlePath: row["bundlePath"], message: row["message"])
    }

    // MARK: Access

    private func read<Value>(_ body: (Database) throws -> Value) throws(RunRegistryError) -> Value {
        do { return try queue.read(body) } catch { throw failure(error) }
    }

    private func write(_ body: (Database) throws -> Void) throws(RunRegistryError) {
        do { try queue.write(body) } catch { throw failure(error) }
    }

    private func failure(_ error: any Error) -> RunRegistryError {
        RunRegistryError(description: "the registry of runs at \(url.path): \(error)")
    }

    private static func timeStamp(_ date: Date) -> String {
        let parts = Calendar(identifier: .gregorian).dateComponents(
            in: TimeZone(identifier: "UTC") ?? .current, from: date)
        return String(
            format: "%04d%02d%02d-%02d%02d%02d", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0, parts.hour ?? 0,
            parts.minute ?? 0, parts.second ?? 0)
    }
}

extension Run: Identifiable {}

extension RunRegistry {
    /// Version of the SQLite library in use.
    public static func libraryVersion() throws -> String {
        try DatabaseQueue().read { try String.fetchOne($0, sql: "SELECT sqlite_version()") } ?? "unknown"
    }
}
