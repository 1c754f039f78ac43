import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// Everything between a plan and a bundle: data, features, training, measuring.
public struct TrainingSession: Sendable {
    public internal(set) var plan: Plan
    public var store: FeatureStore
    public var workers: Int
    public var decoder = ImageDecoder()
    /// Whether a picture that cannot be read stops everything.
    public var isStrict: Bool

    public init(_ plan: Plan, store: FeatureStore, workers: Int = MachineResources.allowedCores, isStrict: Bool = false) {
        self.plan = plan
        self.store = store
        self.workers = workers
        self.isStrict = isStrict
    }

    /// What happens on the way.
    public enum Event: Sendable {
        case message(String)
        /// A part of the work with `total` things to do begins, goes on, ends.
        case progress(title: String, unit: String, done: Int, total: Int)
        case leftOut([UnreadableImage])
        /// A task was measured after an epoch in which the whole network was trained.
        case epoch(EpochReport)
    }

    /// The data and features that a plan's tasks learn from.
    public struct Prepared: Sendable {
        public let dataset: Dataset
        public let tasks: [TaskData]
        public let features: StoredFeatures
        /// By task.
        public let texts: [String: any FeatureSource]
        public let backbone: any ImageBackbone
        public let preprocessing: Preprocessing
        /// The text encoder's folder, if a task reads texts.
        public let textFolder: URL?
        public let unreadable: [UnreadableImage]
        /// Pictures that went through the backbone now.
        public let computedCount: Int
    }

    /// Reads the data, loads the backbones and computes every feature that the store does not have.
    ///
    /// What is wrong with the plan's tasks is found before anything is computed.
    /// - Throws: every error of data, weights, images and the store; `CancellationError`.
    public func prepare(cancellation: CancellationFlag? = nil, _ report: @escaping @Sendable (Event) -> Void = { _ in })
        throws -> Prepared
    {
        try prepare(
            network: plan.network(), preprocessing: plan.preprocessing, textFolder: plan.textBackbone.weights,
            cancellation: cancellation, report)
    }

    /// As `prepare`, with a given backbone, such as a bundle's.
    func prepare(
        network: any ImageBackbone, preprocessing: Preprocessing, textFolder: URL?, cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (Event) -> Void
    ) throws -> Prepared {
        let dataset = try plan.data.dataset()
        report(.message("\(dataset.name): \(dataset.examples.count) examples, \(plan.tasks.count) tasks"))
        _ = try TaskData.prepare(plan, on: dataset)

        let frozen = plan.frozen(network)
        let images = ImageFeatures(frozen, preprocessing: preprocessing)
        let extracted = try images.extract(
            dataset.examples, store: store, decoder: decoder, workers: workers, isStrict: isStrict, cancellation: cancellation
        ) { done, total in
            report(.progress(title: "features", unit: "images", done: done, total: total))
        }
        if !extracted.unreadable.isEmpty { report(.leftOut(extracted.unreadable)) }
        let readable = Dataset(name: dataset.name, examples: extracted.examples)
        let tasks = try TaskData.prepare(plan, on: readable)

        let (texts, usedTextFolder) = try textFeatures(of: tasks, folder: textFolder, cancellation, report)
        return Prepared(
            dataset: readable, tasks: tasks, features: extracted.features, texts: texts, backbone: network,
            preprocessing: preprocessing, textFolder: usedTextFolder, unreadable: extracted.unreadable,
            computedCount: extracted.computedCount)
    }

    /// The features of the texts of every task that reads texts, and the encoder's folder.
    ///
    /// - Parameter folder: the encoder's; `nil` for the one that the set-up fetched.
    func textFeatures(
        of tasks: [TaskData], folder: URL? = nil, _ cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (Event) -> Void
    ) throws -> (features: [String: any FeatureSource], folder: URL?) {
        guard plan.readsTexts else { return ([:], nil) }
        let folder = try folder ?? plan.textBackbone.weights ?? WeightsLocation.find(plan.textBackbone.name.rawValue)
        let encoder = try SentenceEncoder(folder: folder)
        var texts: [String: any FeatureSource] = [:]
        for task in tasks where task.plan.kind == .retrieval {
            texts[task.name] = try TextFeatures(encoder).extract(
                task.texts, store: store, workers: workers, cancellation: cancellation
            ) { done, total in
                report(.progress(title: "\(task.name) texts", unit: "texts", done: done, total: total))
            }
        }
        return (texts, folder)
    }
}

extension Plan {
    /// How pictures are brought into the backbone's form: drawings and scenes whole on white, photographs cut, both with
    /// the backbone's own mean and deviation.
    public var preprocessing: Preprocessing {
        var preprocessing = backbone.preprocessing
        if let size = backbone.pictureSize { preprocessing.scale(to: size) }
        switch data.kind {
        case .clipart, .scenes:
            return Preprocessing(
                resize: .pad(preprocessing.outputSize, fill: .white), interpolation: preprocessing.interpolation,
                mean: preprocessing.mean, deviation: preprocessing.deviation)
        case .imageFolder, .csv, .jsonl: return preprocessing
        }
    }

    /// The backbone as training begins.
    /// - Throws: `WeightsNotFound`, `BackboneError`, `CheckpointError` or `WeightMismatch`.
    func network() throws -> any ImageBackbone {
        let side = preprocessing.outputSize.width
        let architecture = backbone.architecture
        return switch backbone.weights {
        case .pretrained: try architecture.loadPretrained(forPicturesOf: side)
        case .file(let url): try BackboneSource(url, as: architecture).open(forPicturesOf: side).imageBackbone()
        case .random: try architecture.makeImageBackbone(forPicturesOf: side, seed: train.seed)
        }
    }
}

extension TrainPlan.Precision {
    /// What the backbone computes in on this machine.
    public var elementType: ElementType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .auto: Processor.hasNativeBFloat16 ? .bfloat16 : .float32
        }
    }
}
