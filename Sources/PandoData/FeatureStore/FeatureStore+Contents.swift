import Dispatch
import Foundation
import GRDB
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

        /// `nil` if the system tells nothing about the file.
        init?(_ url: URL) {
            var status = stat()
            guard stat(url.path, &status) == 0 else { return nil }
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

    /// The digest of each image's content, a key for its features; an image that cannot be read gives its error.
    ///
    /// Digests of files are remembered with size, time of change and inode, so that files are read once.
    /// - Throws: `FeatureStoreError`.
    /// - Cost: new files are read on all cores.
    public func contentDigests(of images: [ImageSource]) throws -> [Result<String, ImageError>] {
        let known = try index.read { database in
            var known: [String: (stamp: Stamp, digest: String)] = [:]
            let rows = try Row.fetchCursor(database, sql: "SELECT * FROM content")
            while let row = try rows.next() { known[row["path"]] = (Stamp(row), row["digest"]) }
            return known
        }
        let results = Mutex([Int: Result<String, ImageError>]())
        let read = Mutex([Content]())
        DispatchQueue.concurrentPerform(iterations: images.count) { position in
            let result: Result<String, ImageError>
            if case .file(let url) = images[position], let stamp = Stamp(url) {
                let path = url.standardizedFileURL.path
                if let old = known[path], old.stamp == stamp {
                    result = .success(old.digest)
                } else {
                    result = Self.digest(of: images[position])
                    if case .success(let digest) = result {
                        read.withLock { $0.append(Content(path: path, stamp: stamp, digest: digest)) }
                    }
                }
            } else {
                result = Self.digest(of: images[position])
            }
            results.withLock { $0[position] = result }
        }
        try remember(read.withLock { $0 })
        return results.withLock { results in images.indices.compactMap { results[$0] } }
    }

    /// A file's state and the digest it had then.
    private struct Content {
        let path: String
        let stamp: Stamp
        let digest: String
    }

    private static func digest(of image: ImageSource) -> Result<String, ImageError> {
        do throws(ImageError) { return .success(try image.contentDigest()) } catch { return .failure(error) }
    }

    private func remember(_ contents: [Content]) throws {
        let settled = Int((Date().timeIntervalSince1970 - Self.settlingTime) * 1e9)
        let lasting = contents.filter { $0.stamp.modified < settled }
        guard !lasting.isEmpty else { return }
        try index.write { database in
            let statement = try database.cachedStatement(
                sql: "INSERT OR REPLACE INTO content (path, byteCount, modified, inode, digest) VALUES (?, ?, ?, ?, ?)")
            for content in lasting {
                let stamp = content.stamp
                try statement.execute(
                    arguments: [content.path, stamp.byteCount, stamp.modified, stamp.inode, content.digest])
            }
        }
    }
}
