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
/// backbone/                   config.json, preprocessor_config.json, model.safetensors
/// text_backbone/              config.json, tokenizer.json, model.safetensors, perhaps modules.json and what it names
///                             (only with a retrieval task)
/// tasks/NAME/                 task.json, head.safetensors, labels.json, metrics.json, README.md
/// ```
public struct Bundle: Sendable {
    /// One task's branch.
    public struct Task: Sendable {
        public let plan: TaskPlan
        public let labels: LabelMap
        public let head: TaskHead

        public var name: String { plan.name }
    }

    public let url: URL
    public let plan: Plan
    public let backbone: any ImageBackbone
    public let preprocessing: Preprocessing
    /// In the plan's order.
    public let tasks: [Task]
    public let cost: TrainingCost
    /// Folder of the text encoder, if a task needs one.
    public let textFolder: URL?

    /// Reads a bundle, after checking that every file is what was written.
    ///
    /// - Throws: `BundleError`, or the error of the part that cannot be read.
    public init(at url: URL) throws {
        let manifest = try BundleManifest(in: url)
        try manifest.verify(url)
        self.url = url
        plan = manifest.plan
        cost = manifest.cost
        let folder = url.appendingPathComponent("backbone")
        let source = try BackboneSource(folder)
        guard let preprocessing = source.preprocessing else {
            throw BundleError(url.path, "backbone/ does not say how pictures are fed to it")
        }
        self.preprocessing = preprocessing
        backbone = try source.open().imageBackbone()
        let texts = url.appendingPathComponent("text_backbone")
        textFolder = FileManager.default.fileExists(atPath: texts.path) ? texts : nil
        let network = backbone
        let unknown = plan.backbone.readTaps.filter { name in !network.taps.contains { $0.name == name } }
        guard unknown.isEmpty else { throw BundleError(url.path, "the backbone has no taps \(unknown)") }
        let features = network.vectorLength(reading: plan.backbone.readTaps)
        let textFeatures = try textFolder.map { try TextBackboneSource($0).pooledFeatures }
        tasks = try plan.tasks.map { task in
            let folder = url.appendingPathComponent("tasks").appendingPathComponent(task.name)
            let labels = try Self.decode(LabelMap.self, folder.appendingPathComponent("labels.json"))
            if task.kind == .retrieval, textFeatures == nil {
                throw BundleError(url.path, "the task \(task.name) needs a text encoder, but there is no text_backbone/")
            }
            var head = TaskHead(
                untrained: task, labelCount: labels.count, featureCount: features, textFeatureCount: textFeatures ?? 0)
            let file = folder.appendingPathComponent("head.safetensors")
            try head.load(SafetensorsFile(file).tensors.dictionary, from: file.path)
            return Task(plan: task, labels: labels, head: head)
        }
    }

    /// The task `name`, or the only one if there is just one.
    /// - Throws: `BundleError` with the names there are.
    public func task(_ name: String) throws(BundleError) -> Task {
        if let task = tasks.first(where: { $0.name == name }) { return task }
        throw BundleError(
            url.path, "there is no task '\(name)'\(Suggestion.hint(for: name, among: tasks.map(\.name)))")
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
        } catch { throw BundleError(url.path, "cannot be used: \(error)") }
    }
}
