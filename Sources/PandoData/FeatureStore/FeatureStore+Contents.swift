import Dispatch
import Foundation
import GRDB
import PandoTensor
import Synchronization

extension FeatureStore {
    /// Files modified this recently are digested again next time: a change within the clock's grain would not show.
    private static let settlingTime: TimeInterval = 2

    /// What tells one state of a file from another without reading it.
    private struct Stamp: Equatable {
        let byteCount: Int
        /// Nanoseconds since 1970.
        let modified: Int
        let inode: Int

        init(_ url: URL) throws(FileError) {
            var status = stat()
            guard stat(url.path, &status) == 0 else {
                throw FileError(operation: "inspect", path: url.path, code: errno)
            }
            byteCount = Int(status.st_size)
            modified = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
            inode = Int(truncatingIfNeeded: status.st_ino)
        }

        init(_ row: Row) {
            byteCount = row["byteCount"]
            modified = row["modified"]
            inode = row["inode"]
        }
    }

    /// The digest of each file's bytes, a key for its features; a file that cannot be read gives its error.
    ///
    /// Digests are remembered with size, time of change and inode, so that files are read once.
    /// - Throws: `FeatureStoreError`.
    /// - Cost: new files are read on all cores.
    public func contentDigests(of files: [URL]) throws -> [Result<String, FileError>] {
        let known = try index.read { database in
            var known: [String: (stamp: Stamp, digest: String)] = [:]
            let rows = try Row.fetchCursor(database, sql: "SELECT * FROM content")
            while let row = try rows.next() { known[row["path"]] = (Stamp(row), row["digest"]) }
            return known
        }
        let paths = files.map(\.standardizedFileURL.path)
        let found = Mutex([(stamp: Stamp, digest: String, isNew: Bool)?](repeating: nil, count: files.count))
        let failures = Mutex([Int: FileError]())
        DispatchQueue.concurrentPerform(iterations: files.count) { position in
            do throws(FileError) {
                let stamp = try Stamp(files[position])
                if let old = known[paths[position]], old.stamp == stamp {
                    found.withLock { $0[position] = (stamp, old.digest, false) }
                } else {
                    let digest = try FileDigest.ofFile(files[position])
                    found.withLock { $0[position] = (stamp, digest, true) }
                }
            } catch {
                failures.withLock { $0[position] = error }
            }
        }
        let results = found.withLock { $0 }
        try remember(zip(paths, results).compactMap { path, result in
            guard let result, result.isNew else { return nil }
            return (path, result.stamp, result.digest)
        })
        return failures.withLock { failures in
            results.enumerated().map { position, result in
                if let result { return .success(result.digest) }
                return .failure(
                    failures[position] ?? FileError(operation: "read", path: files[position].path, code: EIO))
            }
        }
    }

    private func remember(_ contents: [(path: String, stamp: Stamp, digest: String)]) throws {
        let settled = Int((Date().timeIntervalSince1970 - Self.settlingTime) * 1e9)
        let lasting = contents.filter { $0.stamp.modified < settled }
        guard !lasting.isEmpty else { return }
        try index.write { database in
            let statement = try database.cachedStatement(
                sql: "INSERT OR REPLACE INTO content (path, byteCount, modified, inode, digest) VALUES (?, ?, ?, ?, ?)")
            for (path, stamp, digest) in lasting {
                try statement.execute(arguments: [path, stamp.byteCount, stamp.modified, stamp.inode, digest])
            }
        }
    }
}
