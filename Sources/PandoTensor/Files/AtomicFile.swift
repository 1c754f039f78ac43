import Foundation
import Glibc
import Synchronization

/// Writes files so that a crash, an error or a full disk leaves the old file whole.
///
/// The contents go to a temporary name in the same directory, are synced, and only then take over the final
/// name; the directory is synced last. Whoever has the old file open or mapped goes on seeing the old one.
public enum AtomicFile {
    private static let counter = Atomic<Int>(0)

    /// Writes what `body` sends to its sink, then makes it the file at `url`. Returns the number of bytes.
    ///
    /// If `body` throws, nothing changes and no temporary file stays behind.
    /// - Throws: `FileError`, or what `body` throws.
    @discardableResult
    public static func write(to url: URL, _ body: (Sink) throws -> Void) throws -> Int {
        let directory = url.deletingLastPathComponent()
        let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
        let temporary = directory.appendingPathComponent(".\(url.lastPathComponent).\(getpid())-\(number).tmp").path
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FileError(operation: "create", path: url.path, code: errno) }
        let sink = Sink(descriptor: descriptor, path: url.path)
        do {
            try body(sink)
            try sink.flush()
            guard fsync(descriptor) == 0 else { throw FileError(operation: "write", path: url.path, code: errno) }
        } catch {
            close(descriptor)
            unlink(temporary)
            throw error
        }
        // Some file systems report a full disk only when the file is closed.
        guard close(descriptor) == 0, rename(temporary, url.path) == 0 else {
            let code = errno
            unlink(temporary)
            throw FileError(operation: "write", path: url.path, code: code)
        }
        try syncDirectory(directory)
        return sink.count
    }

    /// Makes `contents` the file at `url`.
    /// - Throws: `FileError`.
    public static func write(_ contents: some ContiguousBytes, to url: URL) throws {
        try write(to: url) { sink in
            try contents.withUnsafeBytes { try sink.write($0) }
        }
    }

    /// Makes `text`, in UTF-8, the file at `url`.
    /// - Throws: `FileError`.
    public static func write(_ text: String, to url: URL) throws { try write(Array(text.utf8), to: url) }

    /// Whether a file of this name was left behind by a writer that was killed, or is being written now.
    public static func isTemporary(_ name: String) -> Bool { name.hasPrefix(".") && name.hasSuffix(".tmp") }

    /// Makes the directory's entries durable; without this a rename may be lost with the power.
    private static func syncDirectory(_ directory: URL) throws(FileError) {
        let descriptor = open(directory.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: directory.path, code: errno) }
        defer { close(descriptor) }
        // EINVAL: this file system has no way to sync a directory.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw FileError(operation: "sync", path: directory.path, code: errno)
        }
    }

    /// Where a file's bytes go, in order, through a buffer. Only for use inside `write(to:_:)`.
    public final class Sink {
        private static let capacity = 1 << 20
        private let descriptor: Int32
        private let path: String
        private var buffer: [UInt8] = []
        /// Bytes taken so far.
        public private(set) var count = 0

        fileprivate init(descriptor: Int32, path: String) {
            self.descriptor = descriptor
            self.path = path
        }

        public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
            count += bytes.count
            if buffer.count + bytes.count > Self.capacity { try flush() }
            if bytes.count > Self.capacity {
                try send(bytes)
            } else {
                buffer.append(contentsOf: bytes)
            }
        }

        public func write(_ bytes: [UInt8]) throws(FileError) {
            try bytes.withUnsafeBufferPointer { items throws(FileError) in try write(UnsafeRawBufferPointer(items)) }
        }

        public func write(_ text: String) throws(FileError) { try write(Array(text.utf8)) }

        fileprivate func flush() throws(FileError) {
            try buffer.withUnsafeBufferPointer { items throws(FileError) in try send(UnsafeRawBufferPointer(items)) }
            buffer.removeAll(keepingCapacity: true)
        }

        private func send(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if written > 0 {
                    rest = rest.dropFirst(written)
                } else if errno != EINTR {
                    throw FileError(operation: "write", path: path, code: errno)
                }
            }
        }
    }
}
