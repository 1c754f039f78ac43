import PandoTensor
import Synchronization

/// Tells running work to stop; set once, from any thread or from a signal's handler.
public final class CancellationFlag: Sendable {
    private let flag = Atomic<Bool>(false)

    public init() {}

    public var isCancelled: Bool { flag.load(ordering: .relaxed) }

    public func cancel() { flag.store(true, ordering: .relaxed) }
}

/// Calls `body` once for each of `0..<count`, on `workers` threads, and returns when all calls have.
///
/// Indices are handed out in order, one at a time, so that long and short calls mix. `worker` tells the threads
/// apart: `0..<workers`; calls with the same number never overlap. With one worker the calling thread does the work.
///
/// After an error or a cancellation no further index is handed out; calls under way finish first.
/// - Throws: the error of the lowest index that failed, or `CancellationError`.
/// - Precondition: `workers` is positive.
public func forEachConcurrently(
    count: Int, workers: Int = MachineResources.allowedCores, cancellation: CancellationFlag? = nil,
    _ body: @Sendable (_ index: Int, _ worker: Int) throws -> Void
) throws {
    require(workers > 0, "forEachConcurrently: expected at least one worker, got \(workers)")
    let handout = Handout(count: count)
    Parallel.run(min(workers, max(count, 1))) { worker in
        while cancellation?.isCancelled != true, let index = handout.next() {
            do {
                try body(index, worker)
            } catch {
                handout.stop(index, error)
            }
        }
    }
    if let error = handout.error { throw error }
    if cancellation?.isCancelled == true { throw CancellationError() }
}

/// The results of `body` for `0..<count`, in order, computed as `forEachConcurrently` does.
public func mapConcurrently<Element: Sendable>(
    count: Int, workers: Int = MachineResources.allowedCores, cancellation: CancellationFlag? = nil,
    _ body: @Sendable (_ index: Int) throws -> Element
) throws -> [Element] {
    let results = Results<Element>(count: count)
    try forEachConcurrently(count: count, workers: workers, cancellation: cancellation) { index, _ in
        let result = try body(index)
        results.elements.withLock { $0[index] = result }
    }
    return results.elements.withLock { $0.compactMap { $0 } }
}

/// Hands out `0..<count` in order, until somebody fails.
private final class Handout: Sendable {
    private let count: Int
    private let upcoming = Atomic<Int>(0)
    private let failure = Mutex<(index: Int, error: any Error)?>(nil)

    init(count: Int) { self.count = count }

    func next() -> Int? {
        let index = upcoming.wrappingAdd(1, ordering: .relaxed).oldValue
        return index < count ? index : nil
    }

    func stop(_ index: Int, _ error: any Error) {
        failure.withLock { failure in
            if let failure, failure.index < index { return }
            failure = (index, error)
        }
        upcoming.store(count, ordering: .relaxed)
    }

    var error: (any Error)? { failure.withLock { $0?.error } }
}

private final class Results<Element: Sendable>: Sendable {
    let elements: Mutex<[Element?]>

    init(count: Int) { elements = Mutex(.init(repeating: nil, count: count)) }
}
