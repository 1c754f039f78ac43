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
        /// In the plan's order.
        public let tasks: [BranchTask]
        public let backbone: PlanBackbone
        /// The text encoder's folder, if a task connects pictures and texts.
        public let textFolder: URL?
        public let unreadable: [UnreadableImage]
        /// Examples that went through the backbone now, to be stored.
        public let computedCount: Int
    }

    /// Reads the data, loads the backbones, makes the adapters, and computes every feature that they read and the store
    /// does not have.
    ///
    /// What is wrong with the plan's tasks is found before anything is computed.
    /// - Parameter opened: the backbone, if it is another than the plan's.
    /// - Throws: every error of data, weights, adapters, images and the store; `CancellationError`.
    public func prepare(
        on opened: PlanBackbone? = nil, cancellation: CancellationFlag? = nil,
        _ report: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws -> Prepared {
        let backbone = try opened ?? plan.openBackbone()
        return try prepare(
            on: backbone, adapters: freshAdapters(on: backbone), textFolder: plan.textBackbone.weights, cancellation, report)
    }

    /// As `prepare`, with a given backbone and given adapters, such as a bundle's; adapters in the order of the tasks.
    func prepare(
        on backbone: PlanBackbone, adapters: [any Adapter], textFolder: URL?, _ cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (Event) -> Void
    ) throws -> Prepared {
        try prepare(
            plan.data.dataset(), on: backbone, adapters: adapters, textFolder: textFolder, cancellation, report)
    }

    /// As `prepare`, with given data in the place of the plan's.
    package func prepare(
        _ dataset: Dataset, on backbone: PlanBackbone, adapters: [any Adapter], textFolder: URL? = nil,
        _ cancellation: CancellationFlag?, _ report: @escaping @Sendable (Event) -> Void
    ) throws -> Prepared {
        report(.message("\(dataset.name): \(dataset.examples.count) examples, \(plan.tasks.count) tasks"))
        _ = try TaskData.prepare(plan, on: dataset)

        let features = plan.features(of: backbone)
        let provision = try FeatureProvision(
            for: adapters.map(\.request), of: features, examples: dataset.examples, plan: plan, store: store, workers: workers)
        for choice in provision.choices { report(.message(choice)) }
        let readable = try read(dataset.examples, features, provision, cancellation, report)
        if !readable.unreadable.isEmpty { report(.leftOut(readable.unreadable)) }
        let left = Dataset(name: dataset.name, examples: readable.examples)
        let data = try TaskData.prepare(plan, on: left)
        let (texts, usedTextFolder) = try textFeatures(of: data, folder: textFolder, cancellation, report)
        let tasks = zip(data, adapters).map { data, adapter in
            BranchTask(
                data, adapter: adapter, features: readable.reader(for: adapter.request, features),
                texts: texts[data.name])
        }
        return Prepared(
            dataset: left, tasks: tasks, backbone: backbone, textFolder: usedTextFolder,
            unreadable: readable.unreadable, computedCount: readable.computedCount)
    }

    /// What was read of a data set.
    struct Readable {
        var examples: [Example]
        var unreadable: [UnreadableImage] = []
        var computedCount = 0
        var stored: StoredFeatures?
        /// What the stored features are.
        var storedRequest = FeatureRequest()
        var inputs: ExampleInputs?

        /// Features from the store if they are there, else computed whenever they are asked for.
        func reader(for request: FeatureRequest, _ features: ExampleFeatures) -> any FeatureReader {
            let isStored = !request.input && (storedRequest.vector || !request.vector)
                && Set(request.taps).isSubset(of: storedRequest.taps)
            if isStored, let stored { return stored.reading(request) }
            guard let inputs else { stop("TrainingSession: nothing was read for \(request)") }
            return ComputedFeatures(
                inputs: inputs, backbone: features.frozen(for: request),
                featureCount: request.vector ? features.vectorLength : 0)
        }
    }

    /// Brings features into the store and inputs into memory, as the provision says.
    func read(
        _ examples: [Example], _ features: ExampleFeatures, _ provision: FeatureProvision,
        _ cancellation: CancellationFlag?, _ report: @escaping @Sendable (Event) -> Void
    ) throws -> Readable {
        var readable = Readable(examples: examples)
        if let request = provision.stored {
            let extracted = try features.extract(
                examples, request, store: store, decoder: decoder, workers: workers, isStrict: isStrict,
                cancellation: cancellation
            ) { done, total in
                report(.progress(title: "features", unit: plan.backbone.readsTexts ? "texts" : "images", done: done, total: total))
            }
            (readable.examples, readable.unreadable) = (extracted.examples, extracted.unreadable)
            (readable.computedCount, readable.stored, readable.storedRequest) =
                (extracted.computedCount, extracted.features, request)
        }
        guard provision.needsInputs else { return readable }
        switch features.reading {
        case .texts(let reading):
            readable.inputs = .texts(
                TokenizedTexts(
                    readable.examples.map { $0.text ?? "" }, by: reading.tokenizer,
                    maximumTokens: reading.maximumTokens, workers: workers))
        case .pictures(let preprocessing):
            let decoded = try DecodedPictures.decode(
                readable.examples, preprocessing: preprocessing, decoder: decoder, workers: workers, isStrict: isStrict,
                cancellation: cancellation
            ) { done, total in
                report(.progress(title: "pictures", unit: "images", done: done, total: total))
            }
            if readable.stored != nil, let lost = decoded.unreadable.first {
                throw lost.error  // its features are stored, but the file is gone since or was never whole
            }
            readable.inputs = .pictures(decoded.pictures)
            readable.examples = decoded.examples
            readable.unreadable += decoded.unreadable
        }
        return readable
    }

    /// Features of examples that belong to no task's data, as a request wants them.
    func read(
        _ examples: [Example], for request: FeatureRequest, of backbone: PlanBackbone, _ decoder: ImageDecoder,
        _ cancellation: CancellationFlag?, _ report: @escaping @Sendable (Event) -> Void
    ) throws -> (examples: [Example], features: any FeatureReader) {
        var session = self
        session.decoder = decoder
        let features = plan.features(of: backbone)
        let provision = FeatureProvision(for: request)
        let readable = try session.read(examples, features, provision, cancellation, report)
        if !readable.unreadable.isEmpty { report(.leftOut(readable.unreadable)) }
        return (readable.examples, readable.reader(for: request, features))
    }

    /// Each task's adapter as training begins, in the plan's order: its own, or its view on what is shared.
    /// - Throws: `AdapterError` naming the task, if the backbone cannot carry it.
    package func freshAdapters(on backbone: PlanBackbone) throws -> [any Adapter] {
        try plan.freshAdapters(on: backbone.network)
    }

    /// The features of the texts of every task that reads texts, and the encoder's folder.
    ///
    /// - Parameter folder: the encoder's; `nil` for the one that the set-up fetched.
    func textFeatures(
        of tasks: [TaskData], folder: URL? = nil, _ cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (Event) -> Void
    ) throws -> (features: [String: any FeatureSource], folder: URL?) {
        guard plan.needsTextEncoder else { return ([:], nil) }
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
    ///
    /// - Precondition: the backbone sees pictures.
    public var preprocessing: Preprocessing {
        guard case .pictures(var preprocessing) = backbone.input else {
            stop("Plan: \(backbone.name) sees no pictures")
        }
        if let size = backbone.pictureSize { preprocessing.scale(to: size) }
        switch data.kind {
        case .debian: stop("Plan: texts are not preprocessed as pictures are")
        case .clipart, .scenes:
            return Preprocessing(
                resize: .pad(preprocessing.outputSize, fill: .white), interpolation: preprocessing.interpolation,
                mean: preprocessing.mean, deviation: preprocessing.deviation)
        case .imageFolder, .csv, .jsonl: return preprocessing
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
