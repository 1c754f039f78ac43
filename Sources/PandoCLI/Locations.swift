import ArgumentParser
import Foundation
import Pando

/// Where Pando keeps what outlives a command, as the XDG base directory specification says.
enum Locations {
    /// Stored features: may be deleted at any time, at the price of computing them again.
    static var features: URL { base("XDG_CACHE_HOME", ".cache").appendingPathComponent("pando/features") }

    /// The registry of runs, their checkpoints and their TensorBoard files.
    static var runs: URL { base("XDG_DATA_HOME", ".local/share").appendingPathComponent("pando/runs") }

    static var registry: URL { runs.appendingPathComponent("runs.sqlite") }

    private static func base(_ variable: String, _ fallback: String) -> URL {
        if let path = ProcessInfo.processInfo.environment[variable], path.hasPrefix("/") {
            return URL(fileURLWithPath: path, isDirectory: true)
        }
        return FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(fallback)
    }
}

/// Options of every command that computes or reads features.
struct FeatureOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Folder of stored features (default: \(Locations.features.path)).", valueName: "folder"))
    var features: String?

    @Option(help: "Threads that decode and compute (default: the cores this process may use).")
    var workers: Int?

    @Option(help: "Pictures of more pixels than this, in millions, are refused unread.")
    var maxMegapixels: Int = 1000

    @Flag(help: "Stop at the first picture that cannot be read, instead of leaving it out.")
    var strict = false

    func validate() throws {
        if let workers, !(1...1024).contains(workers) { throw ValidationError("--workers is 1 to 1024, not \(workers)") }
        guard (1...100_000).contains(maxMegapixels) else {
            throw ValidationError("--max-megapixels is 1 to 100000, not \(maxMegapixels)")
        }
    }

    func store() throws -> FeatureStore {
        try FeatureStore(directory: features.map { URL(fileURLWithPath: $0, isDirectory: true) } ?? Locations.features)
    }

    var decoder: ImageDecoder { ImageDecoder(pixelLimit: maxMegapixels * 1_000_000) }

    var workerCount: Int { workers ?? MachineResources.allowedCores }
}

/// Options of every command that prints.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON, for programs, instead of tables.")
    var json = false

    @Flag(name: .shortAndLong, help: "No progress on standard error.")
    var quiet = false
}
