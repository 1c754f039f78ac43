import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// A trained bundle: one backbone, a branch for each task, everything that is needed to use them.
///
/// ```
/// bundle.json                 version, plan, cost, checksums
/// backbone/                   config.json, model.safetensors, preprocessor_config.json (pictures) or tokenizer.json and
///                             perhaps modules.json and what it names (texts)
/// text_backbone/              config.json, tokenizer.json, model.safetensors, perhaps modules.json and what it names
///                             (only with a retrieval task)
/// sharing/                    model.safetensors: what tasks share beside the backbone (only where they do);
///                             costs.json: time and metrics at each operating point, where it can be run at several
/// tasks/NAME/                 task.json, head.safetensors, labels.json, metrics.json, README.md; with an adapter that
///                             learned something adapter_model.safetensors, and PEFT's adapter_config.json if it is a LoRA
/// ```
public struct Bundle: Sendable {
    /// One task's branch.
    public struct Task: Sendable {
        public let plan: TaskPlan
        public let labels: LabelMap
        public let branch: Branch

        public var name: String { plan.name }
    }

    public let url: URL
    /// A name for exactly what the bundle holds: eight letters of a digest.
    public let version: String
    public let plan: Plan
    public let backbone: PlanBackbone
    /// In the plan's order.
    public internal(set) var tasks: [Task]
    /// Of what tasks share, if that can be run at several costs.
    let costs: MeasuredCosts?
    public let cost: TrainingCost
    /// Folder of the text encoder, if a task needs one.
    public let textFolder: URL?
    /// SHA-256 of each file as it was read, by its path in the bundle.
    let digests: [String: String]

    /// Reads a bundle, after checking that every file is what was written.
    ///
    /// One that another program changes meanwhile is read again, so that no two states are mixed.
    /// - Throws: `BundleError`, or the error of the part that cannot be read.
    public init(at url: URL) throws {
        var manifest = try BundleManifest(in: url)
        while true {
            let read = Result { [manifest] in try Bundle(at: url, manifest) }
            let now = try BundleManifest(in: url)
            if now == manifest {
                self = try read.get()
                return
            }
            manifest = now
        }
    }

    private init(at url: URL, _ manifest: BundleManifest) throws {
        try manifest.verify(url)
        digests = manifest.files
        self.url = url
        version = manifest.digest
        plan = manifest.plan
        cost = manifest.cost
        backbone = try Self.openBackbone(in: url, plan: manifest.plan)
        let texts = url.appendingPathComponent(Self.textEncoderFolder)
        textFolder = FileManager.default.fileExists(atPath: texts.path) ? texts : nil
        let network = backbone.network
        let unknown = plan.backbone.readTaps.filter { name in !network.taps.contains { $0.name == name } }
        guard unknown.isEmpty else { throw BundleError(url.path, "the backbone has no taps \(unknown)") }
        let textFeatures = try textFolder.map { try TextBackboneSource($0).pooledFeatures }
        let costsFile = url.appendingPathComponent(Self.costsFile)
        costs = FileManager.default.fileExists(atPath: costsFile.path)
            ? try Self.decode(MeasuredCosts.self, costsFile) : nil
        let adapters = try Self.adapters(of: manifest.plan, on: network, in: url)
        tasks = try zip(plan.tasks, adapters).map { task, adapter in
            let folder = url.appendingPathComponent("tasks").appendingPathComponent(task.name)
            let labels = try Self.decode(LabelMap.self, folder.appendingPathComponent("labels.json"))
            if task.kind == .retrieval, textFeatures == nil {
                throw BundleError(url.path, "the task \(task.name) needs a text encoder, but there is no text_backbone/")
            }
            var head = TaskHead(
                untrained: task, labelCount: labels.count, featureCount: adapter.featureCount,
                textFeatureCount: textFeatures ?? 0)
            let file = folder.appendingPathComponent("head.safetensors")
            try head.load(SafetensorsFile(file).tensors.dictionary, from: file.path)
            return Task(plan: task, labels: labels, branch: Branch(adapter: adapter, head: head))
        }
    }

    /// Each task's adapter, with its weights.
    private static func adapters(of plan: Plan, on network: any Backbone, in url: URL) throws -> [any Adapter] {
        var adapters = try plan.freshAdapters(on: network)
        if let first = plan.sharedTasks.first, let view = adapters[first] as? SharedView {
            var sharing = view.sharing
            let file = url.appendingPathComponent(sharingFile)
            try sharing.load(SafetensorsFile(file).tensors.dictionary, from: file.path)
            for (number, task) in plan.sharedTasks.enumerated() { adapters[task] = SharedView(sharing, task: number) }
        }
        for (index, task) in plan.tasks.enumerated() where !(adapters[index] is SharedView) {
            let folder = url.appendingPathComponent("tasks").appendingPathComponent(task.name)
            if adapters[index] is InlineAdapter<LoRASet> {
                adapters[index] = try lora(in: folder, on: network, plan.backbone.architecture)
            } else if !adapters[index].namedTensors.isEmpty {
                let file = folder.appendingPathComponent(adapterFile)
                try adapters[index].load(SafetensorsFile(file).tensors.dictionary, from: file.path)
            }
        }
        return adapters
    }

    /// Where the encoder of texts is that retrieval tasks use beside a backbone over pictures.
    static let textEncoderFolder = "text_backbone"

    /// Where the weights are that tasks share.
    static let sharingFile = "sharing/model.safetensors"

    /// The name of an adapter's weights in its task's folder: PEFT's.
    static let adapterFile = "adapter_model.safetensors"

    /// A LoRA from its folder, which is one of PEFT's.
    private static func lora(in folder: URL, on network: any Backbone, _ architecture: Architecture) throws -> any Adapter {
        guard let network = network as? any BlockwiseBackbone else {
            throw BundleError(folder.path, "the backbone has no blocks for a LoRA")
        }
        func read(_ network: some BlockwiseBackbone) throws -> any Adapter {
            InlineAdapter(try LoRASet(folder, for: network, architecture), on: network)
        }
        return try read(network)
    }

    private static func openBackbone(in url: URL, plan: Plan) throws -> PlanBackbone {
        let folder = url.appendingPathComponent("backbone")
        if case .texts(let maximumTokens) = plan.backbone.input {
            return try PlanBackbone(texts: folder, maximumTokens: maximumTokens)
        }
        let source = try BackboneSource(folder)
        guard let preprocessing = source.preprocessing else {
            throw BundleError(url.path, "backbone/ does not say how pictures are fed to it")
        }
        return PlanBackbone(network: try source.open().imageBackbone(), reading: .pictures(preprocessing), folder: nil)
    }

    /// Whether a folder says that it is a bundle.
    public static func isBundle(_ url: URL) -> Bool {
        FileManager.default.fileExists(atPath: url.appendingPathComponent(BundleManifest.name).path)
    }

    /// The task `name`, or the only one if there is just one.
    /// - Throws: `BundleError` with the names there are.
    public func task(_ name: String) throws(BundleError) -> Task {
        if let task = tasks.first(where: { $0.name == name }) { return task }
        throw BundleError(
            url.path, "there is no task '\(name)'\(Suggestion.hint(for: name, among: tasks.map(\.name)))")
    }

    /// What training measured of a task, by split and name; `nil` where it was no number.
    /// - Throws: `BundleError` if the file cannot be read.
    static func metrics(of task: String, in bundle: URL) throws(BundleError) -> [String: [String: Double?]] {
        let path = "tasks/\(task)/metrics.json"
        do {
            return try JSONDecoder().decode(
                [String: [String: Double?]].self, from: Data(contentsOf: bundle.appendingPathComponent(path)))
        } catch { throw BundleError(bundle.path, "\(path) cannot be used: \(error)") }
    }

    /// The most telling number that training measured of a task on test; `nil` where there was nothing to measure.
    /// - Throws: `BundleError` if the file cannot be read.
    public func testScore(of task: Task) throws(BundleError) -> (name: String, value: Double)? {
        let name = task.plan.kind.primaryScore
        let scores = try Self.metrics(of: task.name, in: url)[Split.test.rawValue]
        return (scores?[name] ?? nil).map { (name, $0) }
    }

    /// The encoder of texts.
    /// - Throws: `BundleError` if no task reads texts.
    public func textEncoder() throws -> SentenceEncoder {
        guard let textFolder else { throw BundleError(url.path, "no task of this bundle reads texts") }
        return try SentenceEncoder(folder: textFolder)
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ url: URL) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(contentsOf: url))
        } catch let error as DecodingError {
            throw BundleError(url.path, "cannot be used: \(error.sentence)")
        } catch { throw BundleError(url.path, "cannot be used: \(error)") }
    }
}
