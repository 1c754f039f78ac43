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

/// All predictions for one text.
public struct TextPrediction: Sendable, Encodable {
    public let text: String
    /// By task.
    public let tasks: [String: Prediction]
}

extension Bundle.Task {
    /// The task's predictions from the vectors `[N, F]` that its head reads, row by row; none for a retrieval task.
    ///
    /// - Parameter limit: labels per example.
    func predictions(from features: Tensor, limit: Int) -> [Prediction]? {
        let head = branch.head
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

extension [Bundle.Task] {
    /// The vectors that each task's head reads; what tasks share is run once for all of them.
    ///
    /// - Parameter precision: what late and inline adapters compute in.
    func vectors(from features: Features, precision: ElementType) -> [Tensor] {
        let views = map { $0.branch.adapter as? SharedView }
        let asked = views.compactMap { $0?.task }
        var shared: [Tensor] = []
        if let sharing = views.lazy.compactMap({ $0?.sharing }).first {
            shared = sharing(features.prepared(for: sharing, precision: precision), for: asked).reversed()
        }
        return zip(self, views).map { task, view in
            if view != nil { return shared.removeLast() }
            return task.branch.adapter(features.prepared(for: task.branch.adapter, precision: precision))
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
        _ = try backbone.pictures()
        let frozen = plan.frozen(backbone.network, for: .union(of: asked.map(\.branch.adapter.request)))
        let precision = plan.train.precision.elementType
        let examples = images.map { Example(id: $0.path, split: .test, image: .file($0), labels: [:]) }
        var found: [PicturePrediction] = []
        let unreadable = try pipeline.run(examples) { batch, _ in
            let features = frozen.features(of: .pictures(batch.pixels))
            return zip(asked, asked.vectors(from: features, precision: precision)).map {
                ($0.name, $0.predictions(from: $1, limit: limit))
            }
        } deliver: { positions, answers in
            for (row, position) in positions.enumerated() {
                var tasks: [String: Prediction] = [:]
                for (name, predictions) in answers { tasks[name] = predictions?[row] }
                found.append(PicturePrediction(image: images[position].path, tasks: tasks))
            }
        }
        return (found, unreadable)
    }

    /// What every task says of each text, from one backbone pass for some texts together.
    ///
    /// - Throws: `BundleError` for an unknown task, or if the bundle's backbone sees pictures.
    public func predict(
        texts: [String], limit: Int = 3, tasks names: [String]? = nil, workers: Int = MachineResources.allowedCores
    ) throws -> [TextPrediction] {
        let asked = try answering(names)
        guard case .texts(let reading) = backbone.reading else {
            throw BundleError(url.path, "its backbone \(plan.backbone.name) sees pictures and reads no texts")
        }
        let frozen = plan.frozen(backbone.network, for: .union(of: asked.map(\.branch.adapter.request)))
        let precision = plan.train.precision.elementType
        let tokens = TokenizedTexts(
            texts, by: reading.tokenizer, maximumTokens: reading.maximumTokens, workers: workers)
        let order = texts.indices.sorted { (tokens.length(of: $0), $0) < (tokens.length(of: $1), $1) }
        let blocks = order.indices.blocks(of: 32)
        let parts = Parallel.map(blocks.count, workers: workers) { block in
            let features = frozen.features(of: .texts(tokens.batch(Array(order[blocks[block]]))))
            return zip(asked, asked.vectors(from: features, precision: precision)).map {
                $0.predictions(from: $1, limit: limit) ?? []
            }
        }
        var found = [TextPrediction?](repeating: nil, count: texts.count)
        for (block, answers) in zip(blocks, parts) {
            for (row, place) in block.enumerated() {
                let tasks = Dictionary(uniqueKeysWithValues: zip(asked, answers).map { ($0.name, $1[row]) })
                found[order[place]] = TextPrediction(text: texts[order[place]], tasks: tasks)
            }
        }
        return found.map { $0! }
    }

    /// The tasks of these names, or all that answer for one picture, as they computed in training.
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
        // What tasks share is brought to the precision once.
        let shared = asked.lazy.compactMap { $0.branch.adapter as? SharedView }.first?.sharing
            .keepingFrozenWeights(as: plan.train.precision.elementType)
        return asked.map { task in
            let branch =
                if let shared, let view = task.branch.adapter as? SharedView {
                    Branch(adapter: SharedView(shared, task: view.task), head: task.branch.head)
                } else {
                    inTrainedPrecision(task.branch)
                }
            return Task(plan: task.plan, labels: task.labels, branch: branch)
        }
    }

    /// A branch that computes as it did in training.
    func inTrainedPrecision(_ branch: Branch) -> Branch {
        branch.keepingFrozenWeights(as: plan.train.precision.elementType)
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
        guard let task = tasks.first(where: { $0.plan.kind == .retrieval }), case .retrieval(let head) = task.branch.head
        else { throw BundleError(url.path, "no task connects texts and pictures; train one of kind retrieval") }
        let examples = images.map { Example(id: $0.path, split: .test, image: .file($0), labels: [:]) }
        let session = TrainingSession(plan, store: store, workers: workers, isStrict: isStrict)
        let read = try session.read(examples, for: task.branch.adapter.request, of: backbone, decoder, cancellation, report)
        guard !read.examples.isEmpty else { return [] }
        let text = head.embed(texts: try textEncoder().embeddings(of: [query]))
        let vectors = AdaptedFeatures(
            adapter: inTrainedPrecision(task.branch).adapter, reader: read.features, precision: plan.train.precision.elementType,
            workers: workers)
        let places = head(vectors.rows(Array(0..<vectors.rowCount)))
        let scores = matmul(places.l2Normalized(), text.l2Normalized().transposed).reshaped(-1).scalars()
        let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(limit)
        return order.map { Match(image: read.examples[$0].id, score: scores[$0]) }
    }
}
