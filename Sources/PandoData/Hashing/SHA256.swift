import CImaging
import Foundation

/// The SHA-256 digest of bytes, computed by GLib, which comes with libvips.
package struct SHA256: ~Copyable {
    private let handle: OpaquePointer

    package init() { handle = ci_hash_new() }

    deinit { ci_hash_free(handle) }

    package mutating func update(bufferPointer bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        ci_hash_update(handle, start, bytes.count)
    }

    package mutating func update(data: some DataProtocol) {
        for region in data.regions { region.withUnsafeBytes { update(bufferPointer: $0) } }
    }

    /// The 32 bytes of the digest.
    package consuming func finalize() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { digest, count in
            ci_hash_finish(handle, digest.baseAddress!)
            count = 32
        }
    }

    package static func hash(data: some DataProtocol) -> [UInt8] {
        var hash = SHA256()
        hash.update(data: data)
        return hash.finalize()
    }
}
