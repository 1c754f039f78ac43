import Foundation

/// What this process may use of the machine.
public enum MachineResources {
    /// Cores that may run at once: the least of the scheduler's mask and the control group's quota, at least 1.
    ///
    /// A quota of 1.5 cores counts as 2: two workers finish sooner than one even when throttled.
    public static let allowedCores: Int = {
        var cores = coresInMask
        if let quota = controlGroupQuota(root: "/sys/fs/cgroup", membership: "/proc/self/cgroup") {
            cores = min(cores, Int(quota.rounded(.up)))
        }
        return max(1, cores)
    }()

    /// Cores in the scheduler's mask of this process, as `/proc/self/status` gives it: digits in base 16, grouped.
    private static var coresInMask: Int {
        for line in text(of: "/proc/self/status").split(separator: "\n") where line.hasPrefix("Cpus_allowed:") {
            let count = line.dropFirst("Cpus_allowed:".count).reduce(0) {
                $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0)
            }
            if count > 0 { return count }
        }
        return ProcessInfo.processInfo.activeProcessorCount
    }

    /// Cores that the control groups on the way to the root allow, version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`);
    /// nil without a quota.
    ///
    /// - Source: Linux, Documentation/admin-guide/cgroup-v2.rst ("cpu.max") and scheduler/sched-bwc.rst.
    static func controlGroupQuota(root: String, membership: String) -> Double? {
        var quotas: [Double] = []
        for fields in groups(in: text(of: membership)) {
            let base = fields.controllers.isEmpty ? root : root + "/" + fields.controllers
            for folder in Self.ancestors(of: fields.path) {
                if fields.controllers.isEmpty {
                    let words = text(of: base + folder + "/cpu.max").split(whereSeparator: \.isWhitespace)
                    if words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), period > 0 {
                        quotas.append(quota / period)
                    }
                } else if let quota = number(in: base + folder + "/cpu.cfs_quota_us"), quota > 0,
                    let period = number(in: base + folder + "/cpu.cfs_period_us"), period > 0
                {
                    quotas.append(quota / period)
                }
            }
        }
        return quotas.min()
    }

    /// The groups that may limit the processor: version 2's (no controllers named) and version 1's `cpu`.
    private static func groups(in membership: String) -> [(controllers: String, path: String)] {
        membership.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3 else { return nil }
            let limits = fields[1].isEmpty || fields[1].split(separator: ",").contains("cpu")
            return limits ? (fields[1], fields[2]) : nil
        }
    }

    /// `path`, its parent, ..., and the root, which is written as nothing.
    private static func ancestors(of path: String) -> [String] {
        let parts = path.split(separator: "/")
        return (0...parts.count).map { kept in parts.prefix(kept).map { "/" + $0 }.joined() }
    }

    private static func number(in file: String) -> Double? {
        Double(text(of: file).trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// A small file's text; nothing where there is no such file, as outside of control groups.
    private static func text(of file: String) -> String {
        guard let data = FileManager.default.contents(atPath: file) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }
}
