import Foundation
import Logging
import ServiceLifecycle

/// Loads the bundle anew as soon as another one stands in its place.
struct BundleWatch: Service {
    private let runtime: ServingRuntime
    private let logger: Logger

    /// Time between two looks.
    private static let interval = Duration.seconds(1)

    init(_ runtime: ServingRuntime, logger: Logger) { (self.runtime, self.logger) = (runtime, logger) }

    /// What tells one state of the bundle's list of files from another.
    private struct Stamp: Equatable {
        let file: Int?
        let modified: Date?
        let size: Int?
    }

    private var stamp: Stamp? {
        let path = runtime.configuration.bundle.appendingPathComponent("bundle.json").path
        guard let found = try? FileManager.default.attributesOfItem(atPath: path) else { return nil }  // moved away just now
        return Stamp(
            file: found[.systemFileNumber] as? Int, modified: found[.modificationDate] as? Date, size: found[.size] as? Int)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var seen = stamp
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.interval)
                let now = stamp
                guard now != seen, now != nil else { continue }
                seen = now
                logger.info("the bundle has changed")
                // Why it cannot be served is logged and kept where the index of models tells it; the old one stays.
                try? await runtime.load()
            }
        }
    }
}
