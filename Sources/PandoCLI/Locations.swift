import Foundation

/// Where Pando keeps what outlives a command, as the XDG base directory specification says.
enum Locations {
    /// Stored features: may be deleted at any time, at the price of computing them again.
    static var features: URL { base("XDG_CACHE_HOME", ".cache").appendingPathComponent("pando/features") }

    /// What elastic bundles take on this machine: may be deleted at any time, at the price of measuring it again.
    static var costs: URL { base("XDG_CACHE_HOME", ".cache").appendingPathComponent("pando/costs") }

    /// The registry of runs, their checkpoints and their TensorBoard files.
    static var runs: URL { base("XDG_DATA_HOME", ".local/share").appendingPathComponent("pando/runs") }

    static var registry: URL { runs.appendingPathComponent("runs.sqlite") }

    /// The last result of each reproduction.
    static var reproductions: URL { base("XDG_DATA_HOME", ".local/share").appendingPathComponent("pando/reproductions") }

    private static func base(_ variable: String, _ fallback: String) -> URL {
        if let path = ProcessInfo.processInfo.environment[variable], path.hasPrefix("/") {
            return URL(fileURLWithPath: path, isDirectory: true)
        }
        let home = ProcessInfo.processInfo.environment["HOME"].map { URL(fileURLWithPath: $0, isDirectory: true) }
        return (home ?? FileManager.default.homeDirectoryForCurrentUser).appendingPathComponent(fallback)
    }
}
