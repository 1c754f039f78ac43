import Foundation
import PandoData
import PandoNN
import PandoONNX
import PandoTensor

/// What a file or folder holds, as far as it can be read: a network, its taps and sizes, and how its weights fit.
public struct Inspection: Sendable, Encodable {
    /// A tap as it comes out of one example.
    public struct TapReport: Sendable, Encodable {
        public let name: String
        public let depth: Int
        /// Without the batch: `[H, W, C]` or `[T, C]`.
        public let shape: [Int]
    }

    /// What an ONNX model says of itself.
    public struct GraphReport: Sendable, Encodable {
        public let producer: String
        public let operatorSet: Int
        /// The value of the graph that the pooled vector is made of.
        public let pooledValue: String
        /// How often each operator occurs.
        public let operators: [String: Int]
        /// Values that can be taps, with their shapes in the file's own order: `[C, H, W]` or `[T, C]`.
        public let values: [TapReport]
    }

    public let source: String
    /// The network's name and family.
    public let network: String
    public let family: String
    /// Whose names the weights have.
    public let dialect: String
    /// The shape of the input: `[N, H, W, 3]`, or `[N, T]`.
    public let input: [Int]
    public let taps: [TapReport]
    /// Length of the pooled vector.
    public let pooledFeatures: Int
    public let parameters: Int
    /// Of one example of the shape above.
    public let multiplyAdds: Int
    /// Numbers by element type in the checkpoint: `float32`, …
    public let elementTypes: [String: Int]
    public let preprocessing: Preprocessing?
    public let hasTokenizer: Bool
    /// Tensors of the checkpoint that the network does without.
    public let ignored: [String]
    /// Of an ONNX model: how its graph is made.
    public let graph: GraphReport?
    /// Why the weights do not fit: missing, left-over and mis-shaped tensors.
    public let problems: [String]

    /// Tokens of the text that a text network is shown.
    private static let tokens = 16

    /// Looks at a source. Weights that do not fit are reported, not thrown.
    ///
    /// - Throws: `BackboneError` if the source does not tell which network it holds, `CheckpointError` if the weights
    ///   cannot be read.
    public init(_ source: BackboneSource, forPicturesOf side: Int? = nil) throws {
        self.source = source.url.path
        preprocessing = source.preprocessing
        hasTokenizer = FileManager.default.fileExists(atPath: source.url.appendingPathComponent("tokenizer.json").path)
        family = source.architecture.family
        var opened: OpenedBackbone?
        do {
            opened = try source.open(forPicturesOf: side)
            problems = []
        } catch let error as WeightMismatch {
            problems = error.problems
        }
        let model = opened?.network as? ONNXBackbone
        let tensors = try model?.namedTensors.map(\.tensor) ?? Array(WeightFiles(source.url).tensors.values)
        elementTypes = tensors.reduce(into: [:]) { $0[$1.elementType.rawValue, default: 0] += $1.elementCount }
        graph = try model.map { try Self.graph(of: $0, side ?? source.preprocessing?.outputSize.width ?? 224) }
        network = opened?.architecture.name ?? source.architecture.name
        dialect = opened?.dialect ?? "unknown"
        ignored = opened?.ignored ?? []
        let module = try opened?.network ?? source.architecture.resized(to: side).blankNetwork
        parameters = model?.model.parameterCount ?? module.parameterCount
        let seen = Self.run(Self.backbone(in: module), side ?? source.preprocessing?.outputSize.width)
        (input, taps, pooledFeatures, multiplyAdds) = (seen.input, seen.taps, seen.pooledFeatures, seen.multiplyAdds)
    }

    private static func graph(of network: ONNXBackbone, _ side: Int) throws -> GraphReport {
        let model = network.model
        let side = network.pictureSize ?? side
        let inputs = model.inputs.map { port in
            (port.shape ?? []).enumerated().map { axis, size in size ?? (axis == 0 ? 1 : axis == 1 ? 3 : side) }
        }
        let shapes = try model.shapes(forInputs: inputs)
        let values = model.values.enumerated().compactMap { depth, value -> TapReport? in
            guard let shape = shapes[value.name], (3...4).contains(shape.count), shape[0] == 1 else { return nil }
            return TapReport(name: value.name, depth: depth + 1, shape: Array(shape.dropFirst()))
        }
        return GraphReport(
            producer: model.producer, operatorSet: model.operatorSet, pooledValue: network.pooledValue,
            operators: model.operatorCounts, values: values)
    }

    /// The network that is shown: of a pair, the one for pictures.
    private static func backbone(in module: any Module) -> any Module {
        (module as? any ImageTextBackbone).map { $0.image } ?? module
    }

    private static func run(_ module: any Module, _ side: Int?)
        -> (input: [Int], taps: [TapReport], pooledFeatures: Int, multiplyAdds: Int)
    {
        guard let backbone = module as? any Backbone else { return ([], [], 0, 0) }
        let names = Set(backbone.taps.map(\.name))
        var features: Features?
        var shape: [Int] = []
        var count = 0
        if let image = backbone as? any ImageBackbone {
            let side = image.pictureSize ?? side ?? 224
            shape = [1, side, side, 3]
            count = PandoTensor.multiplyAdds(inputShape: shape) { pictures in
                let found = image.features(of: pictures, reading: names)
                features = found
                return [found.pooled] + found.taps.values
            }
        } else if let text = backbone as? any TextBackbone {
            shape = [1, min(tokens, text.maximumLength)]
            count = PandoTensor.multiplyAdds(of: [Program.Input(shape: shape, type: .int64), Program.Input(shape: shape)]) {
                let found = text.features(of: TokenTensors(ids: $0[0], attentionMask: $0[1] + 1), reading: names)
                features = found
                return [found.pooled] + found.taps.values
            }
        }
        let taps = backbone.taps.map { tap in
            TapReport(
                name: tap.name, depth: tap.depth, shape: features?.taps[tap.name].map { Array($0.shape.dropFirst()) } ?? [])
        }
        return (shape, taps, backbone.pooledFeatures, count)
    }
}
