import Foundation
import Glibc
import PandoTensor

/// Makes folders, and says why when it cannot.
enum Folder {
    /// Makes a folder and those above it.
    /// - Throws: `FileError`.
    static func make(_ url: URL) throws(FileError) {
        let path = url.standardizedFileURL.path
        if mkdir(path, 0o777) == 0 { return }
        if errno == ENOENT, path != "/" {
            try make(url.standardizedFileURL.deletingLastPathComponent())
            if mkdir(path, 0o777) == 0 { return }
        }
        let code = errno
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            throw FileError(operation: "make the folder", path: path, code: code)
        }
    }
}
