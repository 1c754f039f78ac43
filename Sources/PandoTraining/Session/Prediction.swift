import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// What a task says of one picture.
public enum Prediction: Sendable, Hashable, Encodable {
    /// Classes or labels with their probabilities, the likeliest first.
    case labels([ScoredLabel])
    case number(Float)

    public struct ScoredLabel: Sendable, Hashable, Encodable {
        public let label: String
        public let score: Float
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .labels(let labels): try container.encode(labels)
        case .number(let number): try container.encode(number)
        }
    }
}

/// All predictions for one picture.
public struct PicturePrediction: Sendable, Encodable {
    public let image: String
    /// By task. Retrieval tasks predict nothing of a single picture.
    public let tasks: [String: Prediction]
}

extension Bundle.Task {
    /// The task's predictions from feature vectors, row by row; none for a retrieval task.
    ///
    /// - Parameter limit: labels per picture.
    /// - Shapes: `[N, F]` → `N` predictions.
    public func predictions(from features: Tensor, limit: Int) -> [Prediction]? {
        func ranked(_ probabilities: Tensor) -> [Prediction] {
            let width = labels.count
            let values = probabilities.scalars()
            return (0..<features.shape[0]).map { row in
                let scores = values[row * width..<(row + 1) * width]
                let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(limit)
                return .labels(order.map { .init(label: labels.names[$0 - row * width], score: scores[$0]) })
            }
        }
        switch head {
        case .classification: return ranked(head(features).softmax())
        case .tagging: return ranked(head(features).sigmoid())
        case .regression(let head): return head(features).scalars().map { .number($0) }
        case .retrieval: return nil
        }
    }
}

extension Bundle {
    /// What every task says of each picture, from one backbone pass.
    ///
    /// - Parameters:
    ///   - limit: labels per task.
    ///   - names: the tasks asked for; all without.
    /// - Returns: predictions of the pictures that could be read, in order, and those that could not.
    /// - Throws: `BundleError` for an unknown task, `ImageError` when the pipeline is strict.
    public func predict(
        _ images: [URL], limit: Int = 3, tasks names: [String]? = nil, pipeline: ImagePipeline
    ) throws -> (predictions: [PicturePrediction], unreadable: [UnreadableImage]) {
        let asked = try answering(names)
        let frozen = frozenBackbone()
        let examples = images.map { Example(id: $0.path, split: .test, image: .file($0), labels: [:]) }
        var found: [PicturePrediction] = []
        let unreadable = try pipeline.run(examples) { batch, _ in
            let vectors = frozen.vectors(of: batch.pixels)
            return asked.map { ($0.name, $0.predictions(from: vectors, limit: limit)) }
        } deliver: { positions, answers in
            for (row, position) in positions.enumerated() {
                var tasks: [String: Prediction] = [:]
                for (name, predictions) in answers { tasks[name] = predictions?[row] }
                found.append(PicturePrediction(image: images[position].path, tasks: tasks))
            }
        }
        return (found, unreadable)
    }

    /// The tasks of these names, or all that answer for one picture.
    /// - Throws: `BundleError` if a task is unknown or none answers.
    private func answering(_ names: [String]?) throws(BundleError) -> [Task] {
        var asked: [Task] = []
        for name in names ?? [] {
            let task = try task(name)
            guard task.plan.kind != .retrieval else {
                throw BundleError(
                    url.path, "the task '\(name)' finds pictures for a text and says nothing of a single one; use pando search")
            }
            asked.append(task)
        }
        if names == nil { asked = tasks.filter { $0.plan.kind != .retrieval } }
        guard !asked.isEmpty else {
            throw BundleError(url.path, "no task says anything of a single picture; use pando search")
        }
        return asked
    }

    /// A picture that was found for a text.
    public struct Match: Sendable, Encodable {
        public let image: String
        /// Cosine of the angle between the places of picture and text, -1 to 1.
        public let score: Float
    }

    /// The pictures that fit `query` best.
    ///
    /// Features of pictures that were searched before come from the store.
    /// - Throws: `BundleError` if no task connects texts and pictures, and every error of the extraction.
    public func search(
        _ query: String, in images: [URL], limit: Int = 10, store: FeatureStore, decoder: ImageDecoder = ImageDecoder(),
        workers: Int = MachineResources.allowedCores, isStrict: Bool = false, cancellation: CancellationFlag? = nil,
        _ report: @escaping @Sendable (TrainingSession.Event) -> Void = { _ in }
    ) throws -> [Match] {
        let heads = tasks.compactMap { task -> RetrievalHead? in
            if case .retrieval(let head) = task.head { head } else { nil }
        }
        guard let head = heads.first else {
            throw BundleError(url.path, "no task connects texts and pictures; train one of kind retrieval")
        }
        let examples = images.map { Example(id: $0.path, split: .test, image: .file($0), labels: [:]) }
        let extracted = try ImageFeatures(frozenBackbone(), preprocessing: preprocessing).extract(
            examples, store: store, decoder: decoder, workers: workers, isStrict: isStrict, cancellation: cancellation
        ) { done, total in report(.progress(title: "features", unit: "images", done: done, total: total)) }
        if !extracted.unreadable.isEmpty { report(.leftOut(extracted.unreadable)) }
        guard !extracted.examples.isEmpty else { return [] }
        let text = head.embed(texts: try textEncoder().embeddings(of: [query]))
        let places = head(extracted.features.rows(Array(0..<extracted.features.rowCount)))
        let scores = matmul(places.l2Normalized(), text.l2Normalized().transposed).reshaped(-1).scalars()
        let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(limit)
        return order.map { Match(image: extracted.examples[$0].id, score: scores[$0]) }
    }
}
