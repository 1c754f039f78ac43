import Foundation
import Glibc

/// The machine a run runs on, in words and as a name for processes.
package enum Machine {
    static let hostName = ProcessInfo.processInfo.hostName

    /// Host, processor and the cores this process may use.
    static let description = "\(hostName), \(hardware)"

    /// Processor and the cores this process may use.
    package static let hardware: String = {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        return "\(processor ?? "unknown processor"), \(cores) core\(cores == 1 ? "" : "s")"
    }()

    /// The processor's name from `/proc/cpuinfo`, where there is one.
    private static var processor: String? {
        guard let data = FileManager.default.contents(atPath: "/proc/cpuinfo") else { return nil }
        let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// Whether a process of that number lives on this machine, ours or somebody else's.
    static func isAlive(process: Int32) -> Bool { kill(process, 0) == 0 || errno == EPERM }
}
