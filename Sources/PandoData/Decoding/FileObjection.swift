import Foundation

/// What the file system alone can tell against reading a file, in clearer words than a decoder would.
enum FileObjection: Hashable {
    case missing
    case unreadable(String)
    case empty

    /// `nil` for a regular file with content that may be read.
    init?(to url: URL) {
        var status = stat()
        guard stat(url.path, &status) == 0 else {
            let code = errno
            self = code == ENOENT || code == ENOTDIR ? .missing : .unreadable(String(cString: strerror(code)))
            return
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            self = .unreadable("it is not a regular file")
            return
        }
        if status.st_size == 0 {
            self = .empty
            return
        }
        guard access(url.path, R_OK) == 0 else {
            self = .unreadable(String(cString: strerror(errno)))
            return
        }
        return nil
    }
}
