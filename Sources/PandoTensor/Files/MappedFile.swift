import Foundation

/// A file's bytes, mapped into memory and read-only.
///
/// Pages are read when first touched and dropped by the system when memory is short, so files larger than
/// memory can be read through one mapping. The bytes live as long as this object does: whoever keeps a pointer into
/// them keeps the object.
///
/// If another process *shortens* the file in place, touching the lost part stops this process (SIGBUS); no
/// check can prevent that. Files written by `AtomicFile` are never shortened: a new file takes over the name, and a
/// mapping goes on showing the old one.
///
/// `@unchecked Sendable`: the mapping is read-only, set once in `init` and taken down in `deinit`.
public final class MappedFile: @unchecked Sendable {
    public let url: URL
    /// The whole file. Valid while this object lives.
    public let bytes: UnsafeRawBufferPointer

    public init(_ url: URL) throws(FileError) {
        self.url = url
        // Without O_NONBLOCK, opening a pipe would wait for a writer instead of failing below.
        let descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: url.path, code: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw FileError(operation: "inspect", path: url.path, code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileError(
                operation: "map", path: url.path, code: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
        }
        let count = Int(status.st_size)
        guard count > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
            throw FileError(operation: "map", path: url.path, code: errno)
        }
        bytes = UnsafeRawBufferPointer(start: start, count: count)
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }

    /// Gives the memory that holds the bytes back to the system. Whoever touches them again reads them anew.
    func releasePages() {
        guard let start = bytes.baseAddress else { return }
        // A mapping begins at a page; where the system declines, the pages stay.
        madvise(UnsafeMutableRawPointer(mutating: start), bytes.count, MADV_DONTNEED)
    }

    /// The size of the file, in bytes.
    public var count: Int { bytes.count }

    /// The bytes in `range`. Valid while this object lives.
    /// - Precondition: `range` lies inside the file.
    public func bytes(in range: Range<Int>) -> UnsafeRawBufferPointer {
        require(
            range.lowerBound >= 0 && range.upperBound <= count,
            "MappedFile: range \(range) is outside the \(count) bytes of \(url.path)")
        return UnsafeRawBufferPointer(rebasing: bytes[range])
    }
}

extension Sequence where Element == Tensor {
    /// Gives the memory of all files in which these tensors lie back to the system, until they are read again: for weights
    /// of which programs keep copies.
    package func releaseMappedPages() {
        var files: [ObjectIdentifier: MappedFile] = [:]
        for tensor in self {
            if let file = tensor.storage.file { files[ObjectIdentifier(file)] = file }
        }
        for file in files.values { file.releasePages() }
    }
}
