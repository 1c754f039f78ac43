import Foundation

extension ImageSource {
    /// The SHA-256 of what the picture is: a file's bytes, or a rendered picture's key. In base 16.
    ///
    /// Files are read in pieces of 1 MiB; two names of one file have one digest.
    public func contentDigest() throws(ImageError) -> String {
        switch self {
        case .rendered(let key, _):
            // No image file begins with these letters, so keys and files cannot collide.
            return SHA256.hash(data: Data("rendered:\(key)".utf8)).hexadecimal
        case .file(let url):
            do {
                let file = try FileHandle(forReadingFrom: url)
                var hasher = SHA256()
                while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty { hasher.update(data: piece) }
                try file.close()
                return hasher.finalize().hexadecimal
            } catch {
                let missing = !FileManager.default.fileExists(atPath: url.path)
                throw ImageError(
                    source: url.path, reason: missing ? .missing : .unreadable(error.localizedDescription))
            }
        }
    }
}

extension Sequence<UInt8> {
    /// The bytes in base 16, two digits each.
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
