import Foundation
import PandoTensor

/// SHA-256 digests of files and bytes, in base 16.
public enum FileDigest {
    private static let chunkSize = 1 << 20

    public static func of(_ bytes: some DataProtocol) -> String { SHA256.hash(data: bytes).hexadecimal }

    /// The digest of a file's bytes, read piece by piece.
    public static func ofFile(_ url: URL) throws(FileError) -> String {
        let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: url.path, code: errno) }
        defer { close(descriptor) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkSize, alignment: 64)
        defer { buffer.deallocate() }
        var hash = SHA256()
        while true {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count == 0 { return hash.finalize().hexadecimal }
            if count > 0 {
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            } else if errno != EINTR {
                throw FileError(operation: "read", path: url.path, code: errno)
            }
        }
    }
}
