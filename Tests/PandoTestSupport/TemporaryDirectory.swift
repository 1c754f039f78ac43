import Foundation
import Glibc

/// A fresh directory that is removed with this object.
public final class TemporaryDirectory: Sendable {
    public let url: URL

    public init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("pando-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(at: url) } catch { print("could not remove \(url.path): \(error)") }
    }

    public func file(_ name: String) -> URL { url.appendingPathComponent(name) }

    /// Writes a file and returns its place.
    public func file(_ name: String, holding bytes: [UInt8]) throws -> URL {
        let place = file(name)
        // Some file systems sync a file that is emptied and written again; a new file is only cached.
        guard unlink(place.path) == 0 || errno == ENOENT else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        try Data(bytes).write(to: place)
        return place
    }

    /// The names of what the directory holds, sorted; hidden ones too.
    public var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() }
    }
}

/// A file system of a given size, for tests that fill a disk. Needs the right to mount, so only root has it.
public final class SmallDisk: Sendable {
    public let url: URL

    /// Whether this process may mount a file system.
    public static let isAvailable: Bool = {
        guard let disk = SmallDisk(kilobytes: 64) else { return false }
        return FileManager.default.fileExists(atPath: disk.url.path)
    }()

    /// `nil` where mounting is not allowed.
    public init?(kilobytes: Int) {
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("pando-disk-\(UUID().uuidString)")
        guard mkdir(place.path, 0o700) == 0 else { return nil }
        guard mount("tmpfs", place.path, "tmpfs", 0, "size=\(kilobytes)k") == 0 else {
            rmdir(place.path)
            return nil
        }
        url = place
    }

    deinit {
        if umount2(url.path, Int32(MNT_DETACH)) != 0 || rmdir(url.path) != 0 {
            print("could not remove \(url.path)")
        }
    }
}
