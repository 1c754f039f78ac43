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
        let frozen = FrozenBundle(self)
        let examples = images.map { Example(id: $0.path, split: .test, image: .file($0), labels: [:]) }
        var found: [PicturePrediction] = []
        let unreadable = try pipeline.run(examples) { batch, _ in
            let answers = frozen.answers(to: .pictures(batch.pixels), for: asked.map { TaskRows($0) })
            return zip(asked, answers.outputs).map { task, outputs in
                (tasks[task].name, tasks[task].predictions(in: outputs, limit: limit))
            }
        } deliver: { positions, answers in
            for (row, position) in positions.enumerated() {
                var said: [String: Prediction] = [:]
                for (name, predictions) in answers { said[name] = predictions?[row] }
                found.append(PicturePrediction(image: images[position].path, tasks: said))
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
        let frozen = FrozenBundle(self)
        let tokens = TokenizedTexts(
            texts, by: reading.tokenizer, maximumTokens: reading.maximumTokens, workers: workers)
        let order = texts.indices.sorted { (tokens.length(of: $0), $0) < (tokens.length(of: $1), $1) }
        let blocks = order.indices.blocks(of: 32)
        let parts = Parallel.map(blocks.count, workers: workers) { block in
            let input = BackboneInput.texts(tokens.batch(Array(order[blocks[block]])))
            return zip(asked, frozen.answers(to: input, for: asked.map { TaskRows($0) }).outputs).map { task, outputs in
                tasks[task].predictions(in: outputs, limit: limit) ?? []
            }
        }
        var found = [TextPrediction?](repeating: nil, count: texts.count)
        for (block, answers) in zip(blocks, parts) {
            for (row, place) in block.enumerated() {
                let said = Dictionary(uniqueKeysWithValues: zip(asked, answers).map { (tasks[$0].name, $1[row]) })
                found[order[place]] = TextPrediction(text: texts[order[place]], tasks: said)
            }
        }
        return found.map { $0! }
    }

    /// The places of the tasks of these names, or of all that say something of a single example.
    /// - Throws: `BundleError` if a task is unknown or none answers.
    public func answering(_ names: [String]?) throws(BundleError) -> [Int] {
        var asked: [Int] = []
        for name in names ?? [] {
            let task = try task(name)
            guard task.plan.kind != .retrieval else {
                throw BundleError(
                    url.path, "the task '\(name)' finds pictures for a text and says nothing of a single one; use pando search")
            }
            let place = tasks.firstIndex { $0.name == name }!  // it was found
            if !asked.contains(place) { asked.append(place) }
        }
        if names == nil { asked = tasks.indices.filter { tasks[$0].plan.kind != .retrieval } }
        guard !asked.isEmpty else {
            throw BundleError(url.path, "no task says anything of a single picture; use pando search")
        }
        return asked
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
        let index = try index(
            of: images, store: store, decoder: decoder, workers: workers, isStrict: isStrict, cancellation: cancellation,
            report)
        if index.images.isEmpty { return [] }
        return index.matches(for: try textEncoder().embeddings(of: [query]), limit: limit).map {
            Match(image: index.images[$0], score: $1)
        }
    }
}
