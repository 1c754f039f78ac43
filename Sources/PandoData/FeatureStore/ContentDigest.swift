import Crypto
import Foundation
import PandoTensor

/// SHA-256 digests, in hexadecimal digits, by which contents are told apart.
public enum ContentDigest {
    private static let chunkSize = 1 << 20

    public static func of(_ bytes: some DataProtocol) -> String { text(SHA256.hash(data: bytes)) }

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
            if count == 0 { return text(hash.finalize()) }
            if count > 0 {
                hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            } else if errno != EINTR {
                throw FileError(operation: "read", path: url.path, code: errno)
            }
        }
    }

    private static func text(_ digest: SHA256Digest) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
