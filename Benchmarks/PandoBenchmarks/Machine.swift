import Foundation
import PandoData

/// What the figures were measured on.
struct Machine: Sendable, Codable {
    var model: String
    /// Cores that this process may use, which is also how many threads Pando and its peers run on.
    var cores: Int
    /// The vector instructions that matter here.
    var instructions: [String]

    init() {
        let text = FileManager.default.contents(atPath: "/proc/cpuinfo").map { String(decoding: $0, as: UTF8.self) } ?? ""
        func field(_ name: String) -> String? {
            text.split(separator: "\n").first { $0.hasPrefix(name) }
                .flatMap { $0.split(separator: ":", maxSplits: 1).last }
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
        model = field("model name") ?? "unknown processor"
        let flags = Set((field("flags") ?? "").split(separator: " ").map(String.init))
        instructions = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"].filter(flags.contains)
        cores = MachineResources.allowedCores
    }

    var description: String {
        "\(model), \(cores) cores used, \(instructions.isEmpty ? "no AVX2" : instructions.joined(separator: " "))"
    }
}

/// How much of the machine others use between two moments.
struct Bystanders {
    private let busy = Self.busySeconds
    private let own = Self.ownSeconds
    private let begin = ProcessInfo.processInfo.systemUptime

    /// Cores, on average since `init`, that were busy and not with this process or with its children that have
    /// ended; nil where the system does not tell.
    var cores: Double? {
        guard let busy, let now = Self.busySeconds else { return nil }
        let elapsed = ProcessInfo.processInfo.systemUptime - begin
        return max(0, (now - busy) - (Self.ownSeconds - own)) / max(elapsed, 0.01)
    }

    /// A sentence on how idle the machine was, or nil if it was.
    var complaint: String? {
        guard let cores, cores > 0.1 else { return nil }
        return "This machine was not idle: other processes used \(cores.formatted(digits: 2)) cores meanwhile, and all "
            + "figures suffer."
    }

    /// Of all cores since the start of the system: neither idle nor waiting for a disk.
    private static var busySeconds: Double? {
        guard let data = FileManager.default.contents(atPath: "/proc/stat") else { return nil }
        let fields = String(decoding: data, as: UTF8.self).prefix { $0 != "\n" }.split(separator: " ").dropFirst()
        let ticks = fields.compactMap { Double($0) }
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of user and nice.
        guard ticks.count >= 8 else { return nil }
        return (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static var ownSeconds: Double {
        [RUSAGE_SELF.rawValue, RUSAGE_CHILDREN.rawValue].reduce(0) { sum, who in
            var usage = rusage()
            getrusage(__rusage_who_t(who), &usage)
            return sum + [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
        }
    }
}

extension Double {
    /// With so many digits after the point.
    func formatted(digits: Int) -> String { String(format: "%.\(digits)f", self) }
}
