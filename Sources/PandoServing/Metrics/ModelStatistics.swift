import Foundation
import Synchronization

/// What was asked of each model, as the statistics extension of the inference protocol tells it.
final class ModelStatistics: Sendable {
    /// How often, and how long altogether.
    struct Sum: Sendable, Encodable {
        var count = 0
        /// Nanoseconds.
        var ns: Int64 = 0

        mutating func add(_ time: Duration) {
            count += 1
            ns += time.nanoseconds
        }
    }

    struct Model: Sendable {
        /// Milliseconds since 1970.
        var lastInference: Int64 = 0
        var inferenceCount = 0
        var executionCount = 0
        var success = Sum()
        var failure = Sum()
        var queue = Sum()
        var computeInput = Sum()
        var computeInfer = Sum()
        var computeOutput = Sum()
        var reused = Sum()
    }

    private let models = Mutex<[String: Model]>([:])

    subscript(name: String) -> Model { models.withLock { $0[name] ?? Model() } }

    func failed(_ name: String, after time: Duration) {
        models.withLock { $0[name, default: Model()].failure.add(time) }
    }

    func succeeded(_ name: String, _ response: ServingRuntime.Response, after time: Duration) {
        models.withLock { models in
            var model = models[name] ?? Model()
            model.lastInference = Int64(Date().timeIntervalSince1970 * 1000)
            model.inferenceCount += response.answers.count
            model.executionCount += 1
            model.success.add(time)
            model.computeInput.add(response.decodeTime)
            for answer in response.answers {
                if answer.batchSize == 0 {
                    model.reused.add(.zero)
                    continue
                }
                model.queue.add(answer.queueTime)
                model.computeInfer.add(answer.backboneTime)
                model.computeOutput.add(answer.headTime)
            }
            models[name] = model
        }
    }
}
