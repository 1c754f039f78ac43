import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoONNX
import PandoTensor

/// What of a bundle an ONNX model takes in, and how it is fed.
public struct BundleExport: Sendable {
    /// The tasks' names; all without.
    public var tasks: [String]?
    public var batch = ONNXExport.Batch.dynamic
    public var operatorSet = ONNXExport.defaultOperatorSet
    /// Whether pictures are given as pixels of 0 to 255, brought to the network's range by the model itself.
    public var takesPixels = false
    /// Where to write pictures at random with what the bundle answers for them, to check another program against.
    public var example: URL?

    public init() {}

    /// The input's name.
    public static let inputName = "pictures"
    /// The name of the vectors that every task reads.
    public static let featuresName = "features"
    /// Pictures in the example.
    static let exampleCount = 3
}

extension Bundle {
    /// Writes the backbone and the branches of the chosen tasks as one ONNX model.
    ///
    /// Its input `pictures` `[N, 3, H, W]` holds prepared pictures. Its outputs are `features` `[N, F]`, the vectors
    /// that tasks read, and one for each task, under its name: probabilities of the classes `[N, K]`, probabilities of
    /// the labels `[N, K]`, a number `[N]`, or for retrieval the picture's place `[N, P]` among the texts'.
    ///
    /// The model's metadata says what a reader needs: `preprocessing`, the settings of `preprocessor_config.json`;
    /// `pictures`, what the input's values are; for each task `tasks.NAME.kind` and, if it has any,
    /// `tasks.NAME.labels`, a list in the order of the output's columns.
    /// - Throws: `BundleError` for an unknown task, `ONNXExportError` with every operation that ONNX has no equal of,
    ///   or `FileError`.
    @discardableResult
    public func writeONNX(to url: URL, _ options: BundleExport = BundleExport()) throws -> ONNXExport.Summary {
        let chosen = try options.tasks.map { names in try names.map { try task($0) } } ?? tasks
        let names = [BundleExport.featuresName] + chosen.map(\.name)
        if let name = chosen.map(\.name).first(where: { [BundleExport.inputName, BundleExport.featuresName].contains($0) }) {
            throw BundleError(self.url.path, "the task '\(name)' has the name of another input or output of the model")
        }
        guard case .pictures(let preprocessing) = backbone.reading, let network = backbone.network as? any ImageBackbone
        else { throw BundleError(self.url.path, "only bundles over pictures are exported; \(plan.backbone.name) reads texts") }
        let size = preprocessing.outputSize
        var export = try ONNXExport(
            inputName: BundleExport.inputName, inputShape: [size.height, size.width, 3], batch: options.batch,
            operatorSet: options.operatorSet)
        export.metadata = try metadata(of: chosen, preprocessing, takesPixels: options.takesPixels)
        for (name, tensor, _) in network.namedTensors { export.weightNames[tensor.identity] = "backbone.\(name)" }
        for task in chosen {
            for (name, tensor, _) in task.branch.head.namedTensors {
                export.weightNames[tensor.identity] = "tasks.\(task.name).\(name)"
            }
            for (name, tensor, _) in task.branch.adapter.namedTensors {
                export.weightNames[tensor.identity] = "tasks.\(task.name).adapter.\(name)"
            }
        }
        var request = FeatureRequest.union(of: chosen.map(\.branch.adapter.request))
        request.vector = true
        let summary = try export.write(to: url, outputs: names) { pictures in
            let input = options.takesPixels ? preprocessing.normalized(pixels: pictures) : pictures
            let taps = plan.backbone.readTaps
            var features = network.features(of: input, reading: Set(request.taps + taps))
            features.pooled = features.vector(summarizing: taps)
            features.input = .pictures(input)
            return [features.pooled] + chosen.map { $0.answers(to: features) }
        }
        if let example = options.example { try writeExample(to: example, chosen, preprocessing, request, options) }
        return summary
    }

    private func metadata(of chosen: [Task], _ preprocessing: Preprocessing, takesPixels: Bool) throws -> [String: String] {
        var metadata = [
            "preprocessing": String(decoding: try preprocessing.encodedConfiguration(), as: UTF8.self),
            "backbone": plan.backbone.name,
            "pictures": takesPixels
                ? "pixels of 0 to 255, red, green, blue, resized and cropped as 'preprocessing' says"
                : "red, green, blue, prepared as 'preprocessing' says",
        ]
        for task in chosen {
            metadata["tasks.\(task.name).kind"] = task.plan.kind.rawValue
            guard !task.labels.isEmpty else { continue }
            metadata["tasks.\(task.name).labels"] = String(
                decoding: try JSONEncoder().encode(task.labels), as: UTF8.self)
        }
        return metadata
    }

    /// Pictures at random in the model's form, and what the bundle's own compiled network answers.
    private func writeExample(
        to url: URL, _ chosen: [Task], _ preprocessing: Preprocessing, _ request: FeatureRequest, _ options: BundleExport
    ) throws {
        let size = preprocessing.outputSize
        let count: Int
        if case .fixed(let fixed) = options.batch { count = fixed } else { count = BundleExport.exampleCount }
        var generator = SeededGenerator(seed: 1)
        let range: Range<Float> = options.takesPixels ? 0..<255 : -2..<2
        let pictures = Tensor.uniform(range, [count, size.height, size.width, 3], using: &generator)
        let frozen = FrozenBackbone(backbone.network, for: request, summarizing: plan.backbone.readTaps)
        let features = frozen.features(
            of: .pictures(options.takesPixels ? preprocessing.normalized(pixels: pictures) : pictures))
        var tensors = [
            BundleExport.inputName: pictures.permuted(0, 3, 1, 2).contiguous(), BundleExport.featuresName: features.pooled,
        ]
        for task in chosen { tensors[task.name] = task.answers(to: features) }
        try SafetensorsFile.write(tensors, metadata: [:], to: url)
    }
}

extension Bundle.Task {
    /// What the task says: probabilities, a number, or a place among texts.
    ///
    /// - Shapes: features of `N` examples → `[N, K]`, `[N]` for regression.
    func answers(to features: Features) -> Tensor {
        switch branch.head {
        case .classification: branch(features).softmax()
        case .tagging: branch(features).sigmoid()
        case .regression, .retrieval: branch(features)
        }
    }
}

extension Preprocessing {
    /// Pixels of 0 to 255 in the network's range.
    ///
    /// - Shapes: `[N, H, W, 3]` → the same.
    fileprivate func normalized(pixels: Tensor) -> Tensor {
        // Both steps as one: a factor and a shift for each channel.
        let factors = Tensor(deviation.map { rescale / $0 })
        return pixels * factors - Tensor(zip(mean, deviation).map { $0 / $1 })
    }
}
