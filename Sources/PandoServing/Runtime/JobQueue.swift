import PandoBranches
import Synchronization

/// Examples that wait for their turn, in the order in which they came.
///
/// An example that waits already is not queued twice: who asks about it again waits for the same pass.
final class JobQueue: Sendable {
    private struct State {
        var jobs: [Job] = []
        /// Examples that were let in and have no answer yet: they wait, are decoded or computed.
        var admitted = 0
        var isBeingDrained = false
    }

    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Examples without an answer.
    var admitted: Int { state.withLock { $0.admitted } }
    /// Examples that wait for their pass.
    var waiting: Int { state.withLock { $0.jobs.count } }

    /// Lets `count` examples in, if there is room for all of them. Each must leave again.
    func admit(_ count: Int) -> Bool {
        state.withLock { state in
            guard state.admitted + count <= limit else { return false }
            state.admitted += count
            return true
        }
    }

    func leave(_ count: Int) { state.withLock { $0.admitted -= count } }

    /// - Returns: whether somebody must be found who drains the queue.
    func append(_ job: Job) -> Bool {
        state.withLock { state in
            let kind = job.kind
            if let place = state.jobs.firstIndex(where: { $0.digest == job.digest && $0.kind == kind }) {
                state.jobs[place].waiters += job.waiters
            } else {
                state.jobs.append(job)
            }
            defer { state.isBeingDrained = true }
            return !state.isBeingDrained
        }
    }

    /// The next batch: the job that came first, and those behind it of the same kind, at most `limit`.
    ///
    /// Whose deadline has passed is told so; whom nobody listens to any more is dropped.
    /// - Returns: `nil` if nothing waits; then nobody drains the queue any more.
    func nextBatch(limit: Int) -> [Job]? {
        let now = ContinuousClock.now
        var late: [Job.Waiter] = []
        let batch = state.withLock { state -> [Job]? in
            state.jobs = state.jobs.compactMap { job in
                var job = job
                late += job.waiters.filter { $0.deadline < now || $0.isGone() }
                job.waiters.removeAll { $0.deadline < now || $0.isGone() }
                return job.waiters.isEmpty ? nil : job
            }
            guard let kind = state.jobs.first?.kind else {
                state.isBeingDrained = false
                return nil
            }
            var (batch, rest) = ([Job](), [Job]())
            for job in state.jobs {
                if batch.count < limit, job.kind == kind { batch.append(job) } else { rest.append(job) }
            }
            state.jobs = rest
            return batch
        }
        for waiter in late { waiter.tell(.failure(.expired)) }
        return batch
    }
}
