import Foundation

/// Lists folders in an order that does not depend on the file system.
enum FileTree {
    /// Paths, relative to `root`, of all files under it whose names end in one of `extensions` (whatever their case),
    /// sorted by their bytes. Hidden files and folders are passed over; links to files count, links to folders do not.
    static func files(under root: URL, withExtensions extensions: Set<String>) throws(DatasetError) -> [String] {
        var found: [String] = []
        var waiting = [""]
        while let folder = waiting.popLast() {
            for entry in try entries(of: folder.isEmpty ? root : root.appendingPathComponent(folder)) {
                let path = folder.isEmpty ? entry.name : folder + "/" + entry.name
                if entry.isFolder {
                    waiting.append(path)
                } else if extensions.contains(URL(fileURLWithPath: entry.name).pathExtension.lowercased()) {
                    found.append(path)
                }
            }
        }
        return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The folders in a folder, sorted; hidden ones are passed over.
    static func folders(in folder: URL) throws(DatasetError) -> [String] {
        try entries(of: folder).filter(\.isFolder).map(\.name).sorted()
    }

    private static func entries(of folder: URL) throws(DatasetError) -> [(name: String, isFolder: Bool)] {
        guard let directory = opendir(folder.path) else {
            throw DatasetError([
                .init(file: folder.path, message: "cannot be listed (\(String(cString: strerror(errno))))")
            ])
        }
        defer { closedir(directory) }
        var entries: [(name: String, isFolder: Bool)] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            var isFolder = Int32(entry.pointee.d_type) == DT_DIR
            if Int32(entry.pointee.d_type) == DT_UNKNOWN {
                var status = stat()
                isFolder =
                    lstat(folder.appendingPathComponent(name).path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            }
            entries.append((name, isFolder))
        }
        return entries
    }
}
