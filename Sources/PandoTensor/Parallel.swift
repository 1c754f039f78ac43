import Dispatch

/// Work spread across cores.
public enum Parallel {
    /// Calls `body` with 0..<count, each on a thread of its own, and returns when all have returned.
    ///
    /// Each call runs oneDNN on its own thread alone.
    public static func run(_ count: Int, _ body: @Sendable (Int) -> Void) {
        if count == 1 { return body(0) }
        DispatchQueue.concurrentPerform(iterations: count, execute: body)
    }
}
