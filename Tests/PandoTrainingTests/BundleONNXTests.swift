import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoONNX
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoTraining

/// Bundles as ONNX models, read back.
@Suite struct BundleONNXTests {
    private static let side = 32
    private static let labels = ["ant", "bee_hive", "çedilla"]

    /// A network that is quick to run.
    private static func network() -> some ImageBackbone {
        var network = MobileNetV2Configuration().makeNetwork()
        var phase: Float = 0
        network.updateParameters { _, tensor in
            phase += 1
            return irregular(tensor.shape, phase: phase) * (1 / Float(tensor.elementCount / tensor.shape[0]).squareRoot())
        }
        return network
    }

    /// A bundle with a task of each kind.
    private static func write(to url: URL) throws {
        let network = network()
        let plan = Plan(name: "small", data: DataPlan(kind: .scenes), tasks: [])
        let length = network.vectorLength(reading: plan.backbone.readTaps)
        let kinds: [(String, TaskKind)] = [
            ("category", .classification), ("tags", .multilabel), ("size", .regression), ("title", .retrieval),
        ]
        let tasks = kinds.enumerated().map { place, kind in
            let task = TaskPlan(name: kind.0, kind: kind.1, column: "column")
            let labels = LabelMap(kind.1 == .classification || kind.1 == .multilabel ? labels : [])
            var head = TaskHead(
                untrained: task, labelCount: labels.count, featureCount: length, textFeatureCount: 384)
            var phase = Float(100 * place)
            head.updateParameters { _, tensor in
                phase += 1
                return irregular(tensor.shape, phase: phase) * 0.05
            }
            return TrainedTask(
                data: TaskData(plan: task, labels: labels, texts: [], examples: [:]),
                branch: Branch(adapter: Probe(featureCount: head.featureCount), head: head), bestEpoch: 1, epochs: 2)
        }
        var written = plan
        written.tasks = tasks.map(\.data.plan)
        let texts = url.deletingLastPathComponent().appendingPathComponent("texts")
        try FileManager.default.createDirectory(at: texts, withIntermediateDirectories: true)
        let encoder = """
            {"model_type": "bert", "vocab_size": 10, "hidden_size": 384, "num_hidden_layers": 1,
             "num_attention_heads": 12, "intermediate_size": 8, "max_position_embeddings": 16}
            """
        for (name, text) in [("config.json", encoder), ("tokenizer.json", "{}"), ("model.safetensors", "-")] {
            try Data(text.utf8).write(to: texts.appendingPathComponent(name))
        }
        try Bundle.write(
            to: url, plan: written, 
            backbone: PlanBackbone(network: network, reading: .pictures(.clipart(side: side)), folder: nil),
            textFolder: texts, tasks: tasks, metrics: [:],
            cost: TrainingCost(
                computedImages: 0, featureSeconds: 0, headSeconds: 0, peakTensorBytes: 0, peakResidentBytes: 0))
    }

    /// The input and the bundle's answers in the example, and the model's answers for it.
    private func answers(_ bundle: PandoTraining.Bundle, in folder: TemporaryDirectory, _ options: BundleExport) throws
        -> (found: [String: Tensor], wanted: [String: Tensor], model: ONNXModel)
    {
        var options = options
        options.example = folder.file("example.safetensors")
        try bundle.writeONNX(to: folder.file("model.onnx"), options)
        let model = try ONNXModel(contentsOf: folder.file("model.onnx"))
        var wanted = try SafetensorsFile(folder.file("example.safetensors")).tensors.dictionary
        let pictures = try #require(wanted["pictures"])
        wanted["pictures"] = nil
        let function = try model.function()
        let found = try function([pictures])
        return (Dictionary(uniqueKeysWithValues: zip(function.outputs, found)), wanted, model)
    }

    @Test func `an exported bundle answers as the bundle does, for pixels and for prepared pictures`() throws {
        let folder = try TemporaryDirectory()
        try Self.write(to: folder.file("bundle"))
        let bundle = try PandoTraining.Bundle(at: folder.file("bundle"))
        for takesPixels in [false, true] {
            var options = BundleExport()
            options.takesPixels = takesPixels
            let (found, wanted, model) = try answers(bundle, in: folder, options)
            #expect(model.inputs.map(\.name) == ["pictures"])
            #expect(model.inputs[0].shape == [nil, 3, Self.side, Self.side])
            #expect(model.outputs.map(\.name) == ["features", "category", "tags", "size", "title"])
            #expect(Set(found.keys) == Set(wanted.keys))
            for (name, tensor) in wanted {
                expectClose(try #require(found[name]), tensor, relative: 1e-4, "\(name), pixels \(takesPixels)")
            }
            let sums = try #require(found["category"]).sum(along: [1]).scalars()
            for sum in sums { #expect(abs(sum - 1) < 1e-5) }
        }
    }

    @Test func `the chosen tasks alone are exported, for the batch asked for`() throws {
        let folder = try TemporaryDirectory()
        try Self.write(to: folder.file("bundle"))
        let bundle = try PandoTraining.Bundle(at: folder.file("bundle"))
        var options = BundleExport()
        options.tasks = ["size"]
        options.batch = .fixed(1)
        let (found, wanted, model) = try answers(bundle, in: folder, options)
        #expect(model.outputs.map(\.name) == ["features", "size"])
        #expect(model.inputs[0].shape == [1, 3, Self.side, Self.side])
        expectClose(try #require(found["size"]), try #require(wanted["size"]), relative: 1e-4)
        options.tasks = ["sise"]
        #expect { try bundle.writeONNX(to: folder.file("other.onnx"), options) } throws: {
            "\($0)".contains("did you mean 'size'?")
        }
    }

    @Test func `the model carries labels and preprocessing`() throws {
        let folder = try TemporaryDirectory()
        try Self.write(to: folder.file("bundle"))
        let bundle = try PandoTraining.Bundle(at: folder.file("bundle"))
        try bundle.writeONNX(to: folder.file("model.onnx"))
        let bytes = try Data(contentsOf: folder.file("model.onnx"))
        let wanted = [
            "tasks.category.labels", "[\"ant\",\"bee_hive\",\"çedilla\"]", "multilabel", "image_mean",
            "backbone.features.0.0.weight", "tasks.tags.linear.weight",
        ]
        for text in wanted { #expect(bytes.range(of: Data(text.utf8)) != nil, "\(text)") }
    }
}
