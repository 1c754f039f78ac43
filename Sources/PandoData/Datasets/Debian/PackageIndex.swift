import Foundation
import Synchronization

/// Debian's lists of packages as apt keeps them: where they are, and what is in them.
enum PackageIndex {
    static let release = "bookworm"
    /// Where `apt-get update` puts the lists.
    static let listsFolder = URL(fileURLWithPath: "/var/lib/apt/lists", isDirectory: true)
    /// A list may not be larger; that of bookworm's main area has 50 MB.
    static let byteLimit = 512 << 20

    private static let helper = "/usr/lib/apt/apt-helper"
    private static let packings: Set<String> = ["bz2", "gz", "lz4", "lzma", "xz", "zst"]

    /// The list of the release's main area; of several, such as for two architectures, the first by name.
    /// - Throws: `DatasetError` when there is none.
    static func file(in folder: URL = listsFolder) throws(DatasetError) -> URL {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        } catch {
            throw objection(to: folder, "cannot be listed; name a Packages file (\(error.localizedDescription))")
        }
        let endings = ["_Packages"] + packings.map { "_Packages." + $0 }
        let lists = names.filter { endings.contains(where: $0.hasSuffix) }
        if let meant = lists.first(where: { $0.contains("_dists_\(release)_main_binary-") }) {
            return folder.appendingPathComponent(meant)
        }
        throw objection(
            to: folder,
            "there is no list of Debian \(release)'s packages (*_dists_\(release)_main_binary-*_Packages*); "
                + (lists.isEmpty ? "found no list at all" : "found \(lists.prefix(3).joined(separator: ", "))")
                + ". Run apt-get update on \(release), or name a Packages file")
    }

    /// The bytes of a list; a packed one is unpacked by apt's helper.
    /// - Throws: `DatasetError` when it cannot be read, is damaged, or too large.
    static func contents(of file: URL, limit: Int = byteLimit) throws(DatasetError) -> [UInt8] {
        switch FileObjection(to: file) {
        case .missing: throw objection(to: file, "there is no such file; run apt-get update, or name a Packages file")
        case .unreadable(let reason): throw objection(to: file, "cannot be read: \(reason)")
        case .empty: throw objection(to: file, "the file is empty; expected a Packages file")
        case nil: break
        }
        if packings.contains(file.pathExtension.lowercased()) { return try unpacked(file, limit) }
        do {
            let handle = try FileHandle(forReadingFrom: file)
            let bytes = try read(handle, limit)
            try handle.close()
            if let bytes { return bytes }
        } catch { throw objection(to: file, "cannot be read: \(error.localizedDescription)") }
        throw tooLarge(file, limit)
    }

    private static func unpacked(_ file: URL, _ limit: Int) throws(DatasetError) -> [UInt8] {
        guard FileManager.default.isExecutableFile(atPath: helper) else {
            throw objection(to: file, "unpacking needs apt's \(helper), which is not here; name an unpacked file")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: helper)
        process.arguments = ["cat-file", file.path]
        let (output, complaints) = (Pipe(), Pipe())
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = complaints
        let bytes: [UInt8]?
        let complaint = Mutex("")
        do {
            try process.run()
            // Both pipes are emptied at once: the helper would wait for ever on a full one.
            let reading = DispatchGroup()
            let source = complaints.fileHandleForReading
            DispatchQueue.global().async(group: reading) {
                let text = String(decoding: source.readDataToEndOfFile().prefix(1000), as: UTF8.self)
                complaint.withLock { $0 = text.trimmingCharacters(in: .whitespacesAndNewlines) }
            }
            bytes = try read(output.fileHandleForReading, limit)
            if bytes == nil { process.terminate() }
            process.waitUntilExit()
            reading.wait()
        } catch { throw objection(to: file, "cannot be unpacked: \(error.localizedDescription)") }
        guard let bytes else { throw tooLarge(file, limit) }
        guard process.terminationStatus == 0 else {
            let reason = complaint.withLock { $0.isEmpty ? "status \(process.terminationStatus)" : $0 }
            throw objection(to: file, "cannot be unpacked: \(reason); run apt-get update to get it again")
        }
        return bytes
    }

    /// All bytes up to the end; nil when there are more than `limit`.
    private static func read(_ handle: FileHandle, _ limit: Int) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
            if bytes.count + piece.count > limit { return nil }
            bytes += piece
        }
        return bytes
    }

    private static func tooLarge(_ file: URL, _ limit: Int) -> DatasetError {
        objection(to: file, "holds more than \(limit) bytes; expected a Packages file")
    }

    private static func objection(to file: URL, _ message: String) -> DatasetError {
        DatasetError([.init(file: file.path, message: message)])
    }
}
