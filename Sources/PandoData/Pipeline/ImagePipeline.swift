import Foundation
import PandoTensor

/// A few pictures as a network reads them.
public struct ImageBatch: Sendable {
    /// The batch's number: it holds examples from `number · batchSize` on.
    public let number: Int
    /// Which of the examples are in it, rising; those that could not be read are missing.
    public let positions: [Int]
    /// - Shapes: `[N, H, W, 3]`, f32, with `N` the count of `positions`.
    public let pixels: Tensor
}

/// An example left out because its picture could not be read.
public struct UnreadableImage: Sendable, Hashable {
    public var position: Int
    public var id: String
    public var error: ImageError

    public init(position: Int, id: String, error: ImageError) {
        self.position = position
        self.id = id
        self.error = error
    }
}

/// Decodes and preprocesses examples on several threads, and lets each thread go on with what it made.
///
/// Threads take single pictures, in order. Whoever finishes the last picture of a batch also runs `work` on that
/// batch, on the same thread, while the others decode on; results come back in order, on the calling thread. One
/// picture of 600 megapixels thus holds up one thread and no other.
///
/// At most `workers + 1` batches of pixels exist at a time, and at most `window` results wait for an earlier one.
///
/// A picture that cannot be read is left out and reported; with `isStrict` it stops the run.
public struct ImagePipeline: Sendable {
    public var preprocessing: Preprocessing
    public var decoder: ImageDecoder
    public var batchSize: Int
    public var workers: Int
    public var isStrict: Bool

    /// - Precondition: `batchSize` and `workers` are positive.
    public init(
        preprocessing: Preprocessing, batchSize: Int = 8, workers: Int = MachineResources.allowedCores,
        decoder: ImageDecoder = ImageDecoder(), isStrict: Bool = false
    ) {
        require(
            batchSize > 0 && workers > 0,
            "ImagePipeline: expected positive batchSize and workers, got \(batchSize), \(workers)")
        self.preprocessing = preprocessing
        self.decoder = decoder
        self.batchSize = batchSize
        self.workers = workers
        self.isStrict = isStrict
    }

    /// Calls `work` with each batch on the worker threads, and `deliver` with each result in order on this thread.
    ///
    /// A batch of which nothing could be read is passed over.
    /// - Parameters:
    ///   - window: how many batches may be under way or waiting for an earlier one. Wide windows keep all threads
    ///     busy while one decodes a huge picture, and hold that many results.
    ///   - work: gets the worker's number, `0..<workers`; calls with one number never overlap.
    /// - Returns: what was left out, by position.
    /// - Throws: what `work` or `deliver` throws, an `ImageError` when `isStrict`, or `CancellationError`.
    public func run<Output: Sendable>(
        _ examples: [Example], window: Int = 256, cancellation: CancellationFlag? = nil,
        work: @Sendable (_ batch: ImageBatch, _ worker: Int) throws -> Output,
        deliver: (_ positions: [Int], _ output: Output) throws -> Void
    ) throws -> [UnreadableImage] {
        require(window > 0, "ImagePipeline: expected a positive window, got \(window)")
        let run = PipelineRun<Output>(pipeline: self, examples: examples, window: window, cancellation: cancellation)
        return try run.conduct(work: work, deliver: deliver)
    }

    /// Calls `body` with each batch, in order, on this thread, while the workers prepare the next ones.
    /// - Returns: what was left out, by position.
    public func forEachBatch(
        _ examples: [Example], cancellation: CancellationFlag? = nil, _ body: (ImageBatch) throws -> Void
    ) throws -> [UnreadableImage] {
        try run(examples, window: workers + 1, cancellation: cancellation, work: { batch, _ in batch }) {
            try body($1)
        }
    }

    /// The examples with the longest decoding first, so that no thread meets a huge picture last, alone.
    ///
    /// The size of the file stands for the time; equal sizes keep their order.
    public static func heaviestFirst(_ examples: [Example]) -> [Example] {
        let weighed = examples.map { example -> (bytes: Int, example: Example) in
            guard case .file(let url)? = example.image else { return (0, example) }
            var status = stat()
            return (stat(url.path, &status) == 0 ? Int(status.st_size) : 0, example)
        }
        return weighed.enumerated()
            .sorted { ($1.element.bytes, $0.offset) < ($0.element.bytes, $1.offset) }
            .map(\.element.example)
    }
}
