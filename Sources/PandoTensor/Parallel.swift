import Dispatch
import Synchronization

/// Work spread across cores.
public enum Parallel {
    /// Calls `body` with 0..<count, each on a thread of its own, and returns when all have returned.
    ///
    /// Each call runs oneDNN on its own thread alone. Scopes of the caller (`detectAnomaly`) hold on those threads too.
    public static func run(_ count: Int, _ body: @Sendable (Int) -> Void) {
        if count == 1 { return body(0) }
        guard let scope = TapeScope.current else {
            return DispatchQueue.concurrentPerform(iterations: count, execute: body)
        }
        DispatchQueue.concurrentPerform(iterations: count) { index in scope.during { body(index) } }
    }

    /// The results of `body` for 0..<count, in order; `workers` threads take one after the other.
    public static func map<Result: Sendable>(_ count: Int, workers: Int, _ body: @Sendable (Int) -> Result) -> [Result] {
        let results = Mutex([Result?](repeating: nil, count: count))
        let next = Atomic(0)
        run(max(1, min(workers, count))) { _ in
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                let result = body(index)
                results.withLock { $0[index] = result }
            }
        }
        return results.withLock { $0.map { $0! } }
    }
}
