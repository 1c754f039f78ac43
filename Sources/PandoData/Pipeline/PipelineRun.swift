import Foundation
import PandoTensor

/// One run of an `ImagePipeline`: what its threads share.
///
/// `@unchecked Sendable`: every `var` is read and written only while `condition` is locked.
final class PipelineRun<Output: Sendable>: @unchecked Sendable {
    private let pipeline: ImagePipeline
    private let examples: [Example]
    private let window: Int
    private let cancellation: CancellationFlag?

    private let condition = NSCondition()
    /// The next picture to hand out.
    private var nextPosition = 0
    /// The next batch to deliver.
    private var nextDelivery = 0
    /// Batches of which pictures are under way.
    private var open: [Int: PixelBuffer] = [:]
    /// Finished batches that wait for an earlier one; nil where nothing could be read.
    private var finished: [Int: (positions: [Int], output: Output)?] = [:]
    private var unreadable: [UnreadableImage] = []
    private var failure: (position: Int, error: any Error)?
    private var isStopped = false

    init(pipeline: ImagePipeline, examples: [Example], window: Int, cancellation: CancellationFlag?) {
        self.pipeline = pipeline
        self.examples = examples
        self.window = window
        self.cancellation = cancellation
    }

    private var batchCount: Int { (examples.count + pipeline.batchSize - 1) / pipeline.batchSize }

    func conduct(
        work: @Sendable (ImageBatch, Int) throws -> Output,
        deliver: (_ positions: [Int], _ output: Output) throws -> Void
    ) throws -> [UnreadableImage] {
        try withoutActuallyEscaping(work) { work in
            var workers = WorkerThreads()
            for worker in 0..<min(pipeline.workers, max(examples.count, 1)) {
                workers.start {
                    self.prepare(as: worker, work: work)
                    VipsLibrary.endThread()
                }
            }
            do {
                try deliverAll(deliver)
                workers.join()
            } catch {
                // No thread outlives the call: they use what the caller lent. Then the lowest failure is known.
                stop()
                workers.join()
                throw condition.withLock { failure?.error } ?? error
            }
        }
        return condition.withLock { unreadable.sorted { $0.position < $1.position } }
    }

    // MARK: - The calling thread

    private func deliverAll(_ deliver: (_ positions: [Int], _ output: Output) throws -> Void) throws {
        for number in 0..<batchCount {
            if let result = try awaitBatch(number) { try deliver(result.positions, result.output) }
            condition.withLock {
                nextDelivery = number + 1
                condition.broadcast()
            }
        }
    }

    private func awaitBatch(_ number: Int) throws -> (positions: [Int], output: Output)? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let failure { throw failure.error }
            if cancellation?.isCancelled == true { throw CancellationError() }
            if let result = finished.removeValue(forKey: number) { return result }
            // Nobody signals a cancellation, so it is looked at ten times a second.
            _ = condition.wait(until: Date(timeIntervalSinceNow: 0.1))
        }
    }

    // MARK: - The workers

    private func prepare(as worker: Int, work: @Sendable (ImageBatch, Int) throws -> Output) {
        while let (position, buffer) = takePicture() {
            do throws(ImageError) {
                try decode(position, into: buffer)
                finish(position, in: buffer, as: worker, work: work, error: nil)
            } catch {
                finish(position, in: buffer, as: worker, work: work, error: error)
            }
        }
    }

    private func takePicture() -> (position: Int, buffer: PixelBuffer)? {
        condition.lock()
        defer { condition.unlock() }
        while !isStopped && failure == nil && cancellation?.isCancelled != true && nextPosition < examples.count {
            let number = nextPosition / pipeline.batchSize
            if number < nextDelivery + window {
                let first = number * pipeline.batchSize
                let buffer =
                    open[number]
                    ?? PixelBuffer(
                        number: number, positions: first..<min(first + pipeline.batchSize, examples.count),
                        size: pipeline.preprocessing.outputSize)
                open[number] = buffer
                nextPosition += 1
                return (nextPosition - 1, buffer)
            }
            condition.wait()
        }
        return nil
    }

    private func decode(_ position: Int, into buffer: PixelBuffer) throws(ImageError) {
        let example = examples[position]
        guard let source = example.image else { throw ImageError(source: example.id, reason: .missing) }
        let image = try pipeline.decoder.image(source, fittedTo: pipeline.preprocessing)
        pipeline.preprocessing.normalize(image, into: buffer.slot(of: position))
    }

    private func finish(
        _ position: Int, in buffer: PixelBuffer, as worker: Int, work: @Sendable (ImageBatch, Int) throws -> Output,
        error: ImageError?
    ) {
        let isComplete = condition.withLock {
            if let error {
                unreadable.append(UnreadableImage(position: position, id: examples[position].id, error: error))
                if pipeline.isStrict { fail(position, error) }
            }
            let isComplete = buffer.finish(position, isReadable: error == nil)
            if isComplete { open[buffer.number] = nil }
            condition.broadcast()
            return isComplete
        }
        guard isComplete else { return }
        do {
            let batch = buffer.batch()
            let result = try batch.map { (positions: $0.positions, output: try work($0, worker)) }
            condition.withLock {
                finished[buffer.number] = .some(result)
                condition.broadcast()
            }
        } catch {
            condition.withLock {
                fail(position, error)
                condition.broadcast()
            }
        }
    }

    /// Remembers the failure of the lowest position. The lock is held.
    private func fail(_ position: Int, _ error: any Error) {
        if let failure, failure.position <= position { return }
        failure = (position, error)
    }

    private func stop() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
        }
    }
}
