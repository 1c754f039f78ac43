import Dispatch
import PandoBackbones
import PandoBranches
import PandoTensor
import PandoTraining

/// Computes batches, one after another, on a thread of its own: no event loop ever waits for a matrix product.
actor Engine {
    private let executor = QueueExecutor()
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let queue: JobQueue
    private let batching: Batching
    private let workers: Int
    private let finished: @Sendable (Batch) -> Void

    /// How examples are gathered.
    struct Batching: Sendable, Hashable {
        /// Examples of a batch, at most.
        var size = 16
        /// How long the first of a batch waits for others. None are waited for at 0: what came while the last batch was
        /// computed makes the next.
        var delay: Duration = .zero
    }

    /// One batch that was computed.
    struct Batch: Sendable {
        let jobs: [Job]
        /// By job.
        let answers: [ExampleAnswer]
        /// From the beginning of the pass to the last head.
        let time: Duration
    }

    /// - Parameter finished: told of each batch, before those who wait for it are.
    init(_ queue: JobQueue, batching: Batching, workers: Int, finished: @escaping @Sendable (Batch) -> Void) {
        (self.queue, self.batching, self.workers, self.finished) = (queue, batching, workers, finished)
    }

    /// Computes until nothing waits.
    func drain() async {
        if batching.delay > .zero, queue.waiting < batching.size { try? await Task.sleep(for: batching.delay) }
        while let jobs = queue.nextBatch(limit: batching.size) {
            let batch = compute(jobs)
            finished(batch)
            for (job, answer) in zip(jobs, batch.answers) {
                for waiter in job.waiters { waiter.tell(.success(answer)) }
            }
            await Task.yield()
        }
    }

    /// One pass for all examples of a batch; heads of those tasks that are asked, for the examples that they are asked about.
    private func compute(_ jobs: [Job]) -> Batch {
        let begin = ContinuousClock.now
        let served = jobs[0].served
        let input = BackboneInput(jobs.map(\.example), for: served.bundle.backbone.reading)
        let wishes = jobs.map(\.tasks)
        let asked = Set(wishes.joined()).sorted().map { task in
            let rows = jobs.indices.filter { wishes[$0].contains(task) }
            return TaskRows(task, rows: rows.count == jobs.count ? nil : rows)
        }
        // Threads that share one example wait for each other at every layer, and are slow where another is being decoded
        // beside them.
        let threads = jobs.count == 1 && queue.admitted > 1 ? 1 : workers
        let answers = served.frozen.answers(to: input, for: asked, at: jobs[0].point, workers: threads)
        var made = jobs.map {
            ExampleAnswer(
                outputs: [:], queueTime: begin - $0.arrival, backboneTime: answers.backboneTime,
                headTime: answers.headTime, batchSize: jobs.count)
        }
        for (rows, outputs) in zip(asked, answers.outputs) {
            let (values, width) = (outputs.scalars(), outputs.shape[1])
            for (place, row) in (rows.rows ?? Array(jobs.indices)).enumerated() {
                made[row].outputs[rows.task] = Array(values[place * width..<(place + 1) * width])
            }
        }
        return Batch(jobs: jobs, answers: made, time: ContinuousClock.now - begin)
    }
}

/// Runs an actor's jobs one after another on a queue of Dispatch, apart from the threads that all tasks share.
private final class QueueExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "pando.engine", qos: .userInitiated)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
