import Foundation

/// Pretrained weights that are nowhere to be found.
public struct WeightsNotFound: Error, CustomStringConvertible, Sendable {
    public let name: String
    /// Where they were looked for.
    public let searched: [String]

    public var description: String {
        """
        no weights named \(name); looked in
        \(searched.map { "  \($0)" }.joined(separator: "\n"))
        Run ./run setup in Pando's folder, name a file or folder in the plan, or say in PANDO_WEIGHTS which folder holds the \
        weights.
        """
    }
}

/// Where pretrained weights lie: in the folder that the environment names in `PANDO_WEIGHTS`, or where `./run setup`
/// put them, found from the current folder or from the program's own.
public enum WeightsLocation {
    /// The folder that the set-up fills, under a package's folder.
    static let folder = ".prefix/weights"

    /// The file or folder `name` among the fetched weights.
    /// - Throws: `WeightsNotFound`.
    public static func find(_ name: String) throws(WeightsNotFound) -> URL {
        if let folder = ProcessInfo.processInfo.environment["PANDO_WEIGHTS"], !folder.isEmpty {
            let candidate = URL(fileURLWithPath: folder, isDirectory: true).appendingPathComponent(name)
            if FileManager.default.fileExists(atPath: candidate.path) { return candidate.resolvingSymlinksInPath() }
            throw WeightsNotFound(name: name, searched: [candidate.path])
        }
        var starts = [URL(fileURLWithPath: FileManager.default.currentDirectoryPath)]
        if let program = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent() {
            starts.append(program)
        }
        var searched: [String] = []
        for start in starts {
            var folder = start.standardizedFileURL
            while true {
                let candidate = folder.appendingPathComponent(Self.folder).appendingPathComponent(name)
                if FileManager.default.fileExists(atPath: candidate.path) { return candidate.resolvingSymlinksInPath() }
                if !searched.contains(candidate.path) { searched.append(candidate.path) }
                if folder.path == "/" { break }
                folder.deleteLastPathComponent()
            }
        }
        throw WeightsNotFound(name: name, searched: searched)
    }
}

extension Architecture {
    /// The weights that the set-up fetched for this network.
    /// - Throws: `WeightsNotFound`.
    public func fetchedWeights() throws(WeightsNotFound) -> URL { try WeightsLocation.find("\(name).pth") }

    /// The network for pictures with the weights that the set-up fetched.
    /// - Throws: `WeightsNotFound`, `BackboneError`, `CheckpointError` or `WeightMismatch`.
    public func loadPretrained(forPicturesOf side: Int? = nil) throws -> any ImageBackbone {
        try BackboneSource(fetchedWeights(), named: name).open(forPicturesOf: side).imageBackbone()
    }
}
