import Foundation
import PandoTensor

extension ImageSource {
    /// The SHA-256 of what the picture is: a file's bytes, or a rendered picture's key. In base 16.
    ///
    /// Two names of one file have one digest.
    public func contentDigest() throws(ImageError) -> String {
        switch self {
        case .rendered(let key, _):
            // No image file begins with these letters, so keys and files cannot collide.
            return FileDigest.of(Data("rendered:\(key)".utf8))
        case .bytes(let bytes, _):
            return FileDigest.of(bytes)
        case .file(let url):
            do throws(FileError) {
                return try FileDigest.ofFile(url)
            } catch {
                let isMissing = error.code == ENOENT || error.code == ENOTDIR
                throw ImageError(
                    source: url.path, reason: isMissing ? .missing : .unreadable(String(cString: strerror(error.code))))
            }
        }
    }
}
