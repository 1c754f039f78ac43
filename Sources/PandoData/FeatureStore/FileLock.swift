import Foundation
import Glibc
import PandoTensor

/// A lock between processes, held as long as this object lives; the system releases it if the process is killed.
package final class FileLock: Sendable {
    package enum Kind: Sendable { case shared, exclusive }

    private let descriptor: Int32

    /// Waits until the lock is free.
    package init(_ kind: Kind, on url: URL) throws(FileError) {
        descriptor = try Self.open(url)
        while flock(descriptor, kind == .shared ? LOCK_SH : LOCK_EX) != 0 {
            guard errno == EINTR else {
                let code = errno
                close(descriptor)
                throw FileError(operation: "lock", path: url.path, code: code)
            }
        }
    }

    /// Takes the lock exclusively, or gives `nil` if somebody has it.
    init?(exclusiveNowOn url: URL) throws(FileError) {
        descriptor = try Self.open(url)
        guard flock(descriptor, LOCK_EX | LOCK_NB) != 0 else { return }
        let code = errno
        close(descriptor)
        guard code == EWOULDBLOCK else { throw FileError(operation: "lock", path: url.path, code: code) }
        return nil
    }

    deinit {
        // A child that is being started holds the descriptor too until it has become its program.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    private static func open(_ url: URL) throws(FileError) -> Int32 {
        let descriptor = Glibc.open(url.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: url.path, code: errno) }
        return descriptor
    }
}
