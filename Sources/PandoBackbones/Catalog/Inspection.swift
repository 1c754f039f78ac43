import Foundation
import PandoData
import PandoNN
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
    /// Why the weights do not fit: missing, left-over and mis-shaped tensors.
    public let problems: [String]

    /// Tokens of the text that a text network is shown.
    private static let tokens = 16

    /// Looks at a source. Weights that do not fit are reported, not thrown.
    ///
    /// - Throws: `BackboneError` if the source does not tell which network it holds, `CheckpointError` if the weights
    ///   cannot be read.
    public init(_ source: BackboneSource, forPicturesOf side: Int? = nil) throws {
        let files = try WeightFiles(source.url)
        self.source = source.url.path
        elementTypes = files.tensors.values.reduce(into: [:]) { $0[$1.elementType.rawValue, default: 0] += $1.elementCount }
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
        network = opened?.architecture.name ?? source.architecture.name
        dialect = opened?.dialect ?? "unknown"
        ignored = opened?.ignored ?? []
        let module = try opened?.network ?? source.architecture.resized(to: side).blankNetwork
        parameters = module.parameterCount
        let seen = Self.run(Self.backbone(in: module), side ?? source.preprocessing?.outputSize.width)
        (input, taps, pooledFeatures, multiplyAdds) = (seen.input, seen.taps, seen.pooledFeatures, seen.multiplyAdds)
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

extension Architecture {
    /// The network, its weights all zero.
    fileprivate var blankNetwork: any Module {
        func blank(_ configuration: some BackboneConfiguration) -> any Module { configuration.makeNetwork() }
        return blank(configuration)
    }
}
