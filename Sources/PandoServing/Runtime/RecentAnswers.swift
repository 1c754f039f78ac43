import PandoBranches
import Synchronization

/// What was said of examples a moment ago: the same picture again needs no second pass.
final class RecentAnswers: Sendable {
    struct Key: Hashable {
        let bundle: ObjectIdentifier
        let digest: String
        let point: OperatingPoint?
    }

    private struct Entry {
        var outputs: [Int: [Float]]
        /// Held so that no other bundle gets its identity.
        let served: ServedBundle
        let expiry: ContinuousClock.Instant
    }

    private let entries = Mutex<[Key: Entry]>([:])
    private let window: Duration
    /// Entries kept at most.
    private static let limit = 1024

    /// - Parameter window: how long an answer is good for; 0 for never.
    init(window: Duration) { self.window = window }

    var isInUse: Bool { window > .zero }

    /// What was said, if all of `tasks` were asked.
    func outputs(for key: Key, tasks: [Int]) -> [Int: [Float]]? {
        guard isInUse else { return nil }
        return entries.withLock { entries in
            guard let entry = entries[key], entry.expiry > .now else { return nil }
            let wanted = entry.outputs.filter { tasks.contains($0.key) }
            return wanted.count == Set(tasks).count ? wanted : nil
        }
    }

    func remember(_ batch: Engine.Batch) {
        guard isInUse else { return }
        let now = ContinuousClock.now
        entries.withLock { entries in
            if entries.count + batch.jobs.count > Self.limit { entries = entries.filter { $0.value.expiry > now } }
            if entries.count + batch.jobs.count > Self.limit { entries.removeAll() }
            for (job, answer) in zip(batch.jobs, batch.answers) {
                let key = Key(bundle: ObjectIdentifier(job.served), digest: job.digest, point: job.point)
                let before = entries[key].flatMap { $0.expiry > now ? $0.outputs : nil } ?? [:]
                entries[key] = Entry(
                    outputs: before.merging(answer.outputs) { $1 }, served: job.served, expiry: now + window)
            }
        }
    }

    /// Forgets what a bundle said that is no longer served.
    func forget() { entries.withLock { $0.removeAll() } }
}
