import Dispatch
import Synchronization

extension Load {
    /// Waits for a load, in a program that is not asynchronous. Not for tasks: it blocks its thread.
    public static func waiting<Result: Sendable>(
        for body: @escaping @Sendable () async throws -> Result
    ) throws -> Result {
        let (outcome, isDone) = (Outcome<Result>(), DispatchSemaphore(value: 0))
        Task {
            let result: Swift.Result<Result, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            outcome.result.withLock { $0 = result }
            isDone.signal()
        }
        isDone.wait()
        guard let result = outcome.result.withLock({ $0 }) else { preconditionFailure("a load ended without a result") }
        return try result.get()
    }

    /// What came of the task, once it is done.
    private final class Outcome<Value: Sendable>: Sendable {
        let result = Mutex<Swift.Result<Value, any Error>?>(nil)
    }
}
