import Dispatch
import Glibc
import Synchronization

/// Threads that surely run at the same time, however few cores there are, and so may wait for one another.
///
/// They stay for the next call: what they know (kernels' scratch memory) is made once.
final class ThreadCrew: Sendable {
    static let shared = ThreadCrew()
    private let idle = Mutex<[Member]>([])

    /// Calls `body` with 0..<count at the same time, with 0 on the calling thread, and returns when all have returned.
    func run(_ count: Int, _ body: @Sendable (Int) -> Void) {
        if count == 1 { return body(0) }
        let members = idle.withLock { idle in
            let known = min(idle.count, count - 1)
            let taken = Array(idle.suffix(known))
            idle.removeLast(known)
            return taken + (known..<count - 1).map { _ in Member() }
        }
        withoutActuallyEscaping(body) { body in
            for (position, member) in members.enumerated() { member.begin { body(position + 1) } }
            body(0)
            for member in members { member.finish() }
        }
        idle.withLock { $0 += members }
    }

    /// One thread, asleep but for its jobs.
    private final class Member: Sendable {
        private let job = Mutex<(@Sendable () -> Void)?>(nil)
        private let started = DispatchSemaphore(value: 0)
        private let ended = DispatchSemaphore(value: 0)

        init() {
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { member in
                    Unmanaged<Member>.fromOpaque(member!).takeUnretainedValue().work()
                    return nil
                }, Unmanaged.passRetained(self).toOpaque())
            require(status == 0, "a thread could not be started: error \(status)")
            pthread_detach(thread)
        }

        func begin(_ job: @escaping @Sendable () -> Void) {
            self.job.withLock { $0 = job }
            started.signal()
        }

        /// Waits for the job's end and lets go of it.
        func finish() { ended.wait() }

        private func work() {
            while true {
                started.wait()
                runJob()
                ended.signal()
            }
        }

        /// Apart from `work`, so that the job is let go of before its end is told.
        @inline(never)
        private func runJob() {
            let job = job.withLock { job in
                defer { job = nil }
                return job
            }
            job?()
        }
    }
}
