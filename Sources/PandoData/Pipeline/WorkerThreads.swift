import Glibc
import PandoTensor

/// Threads of one's own, which are all joined before what they use goes away.
///
/// For work that waits for other threads; what only computes goes through `Parallel`, whose pool may run it on fewer
/// threads than asked for.
struct WorkerThreads {
    private var threads: [pthread_t] = []

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread that runs `body` and ends.
    mutating func start(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(Body(body)).toOpaque())
        require(status == 0, "WorkerThreads: the system starts no thread: \(String(cString: strerror(status)))")
        threads.append(thread)
    }

    /// Waits until every thread has ended and let go of its body.
    mutating func join() {
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }
}
