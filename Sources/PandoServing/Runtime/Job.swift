import PandoBranches
import PandoTensor

/// What tasks say of one example, and what that took.
struct ExampleAnswer: Sendable {
    /// By the task's place in the bundle: probabilities of classes or of labels, one number, or the example's place.
    var outputs: [Int: [Float]]
    /// From the end of decoding until the example's batch began; 0 if it was answered before.
    var queueTime: Duration = .zero
    /// Of the whole batch.
    var backboneTime: Duration = .zero
    /// Of the whole batch.
    var headTime: Duration = .zero
    /// Examples in the batch; 0 if it was answered before.
    var batchSize = 0
}

/// One example that waits for its pass, and who waits for it.
struct Job: Sendable {
    /// Somebody who is told the answer, exactly once.
    struct Waiter: Sendable {
        /// The tasks asked, by their places in the bundle.
        let tasks: [Int]
        let deadline: ContinuousClock.Instant
        /// Whether nobody listens any more.
        let isGone: @Sendable () -> Bool
        let tell: @Sendable (Result<ExampleAnswer, ServingError>) -> Void
    }

    /// Examples that run in one batch have this in common.
    struct Kind: Hashable {
        let bundle: ObjectIdentifier
        let example: DecodedExample.Kind
        let point: OperatingPoint?
    }

    let served: ServedBundle
    let example: DecodedExample
    /// Of the example's content.
    let digest: String
    let point: OperatingPoint?
    let arrival = ContinuousClock.now
    var waiters: [Waiter]

    var kind: Kind { Kind(bundle: ObjectIdentifier(served), example: example.kind, point: point) }
    /// The tasks that anybody asks.
    var tasks: Set<Int> { Set(waiters.flatMap(\.tasks)) }
}
