import ArgumentParser
import Dispatch
import Glibc
import Pando
import Synchronization

/// Turns Ctrl-C and a polite kill into a request to stop after the work at hand; a second one ends at once.
enum Interruption {
    /// Runs `body` with a flag that those signals set; `display` shows what it does.
    /// - Parameter stopped: what becomes of work that a signal cut off.
    /// - Throws: what `body` throws; if it stopped because of a signal, the shell's exit code for that, after saying so.
    static func watching<Result>(
        _ display: SessionDisplay, stopped: String = "the features computed so far are kept", _ body: (CancellationFlag) throws -> Result
    ) throws -> Result {
        let watch = Watch()
        return try withExtendedLifetime(watch) {
            do {
                defer { display.finish() }
                return try body(watch.flag)
            } catch let error as TrainingSession.Interrupted {
                Console.note("\(error)")
                throw ExitCode(128 + watch.signal)
            } catch is CancellationError {
                Console.note("stopped; \(stopped)")
                throw ExitCode(128 + watch.signal)
            }
        }
    }

    /// Listens for the signals as long as it lives.
    private final class Watch {
        let flag = CancellationFlag()
        private let received: Received
        private let sources: [any DispatchSourceSignal]

        private final class Received: Sendable {
            let signal = Atomic<Int32>(SIGINT)
        }

        init() {
            let (flag, received) = (flag, Received())
            self.received = received
            sources = [SIGINT, SIGTERM].map { number in
                Glibc.signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler {
                    if flag.isCancelled { _exit(128 + number) }
                    received.signal.store(number, ordering: .relaxed)
                    flag.cancel()
                    // On a terminal the progress bar stands on this line.
                    Console.note((isatty(STDERR_FILENO) == 1 ? "\n" : "") + "stopping; press Ctrl-C again to end at once")
                }
                source.resume()
                return source
            }
        }

        /// The signal that came.
        var signal: Int32 { received.signal.load(ordering: .relaxed) }

        deinit {
            for source in sources { source.cancel() }
            for number in [SIGINT, SIGTERM] { Glibc.signal(number, SIG_DFL) }
        }
    }
}
