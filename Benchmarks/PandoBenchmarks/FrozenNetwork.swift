import Foundation
import PandoBackbones
import PandoData
import PandoNN
import PandoTensor

/// The networks that are measured frozen, in the sizes in which they were published.
enum FrozenNetwork: String, CaseIterable {
    case mobileNetV2 = "mobilenet_v2"
    case efficientNetLite0 = "efficientnet_lite0"
    case resNet50 = "resnet50"
    case vitSmall = "vit_small"
    case vitBase = "vit_base"
    case miniLM = "all-MiniLM-L6-v2"

    static let side = 224
    static let tokens = 128

    var isTransformer: Bool { [.vitSmall, .vitBase, .miniLM].contains(self) }

    var batches: [Int] { isTransformer ? [1, 8, 32] : [1, 32] }

    var unit: String { self == .miniLM ? "texts/s" : "images/s" }

    /// Inputs without meaning: numbers, or tokens of the vocabulary.
    func examples(_ count: Int, seed: UInt64 = 1) -> Tensor {
        var generator = SeededGenerator(seed: seed)
        guard self == .miniLM else { return .uniform(-2..<2, [count, Self.side, Self.side, 3], using: &generator) }
        let ids = (0..<count * Self.tokens).map { _ in Int64.random(in: 1000..<30_522, using: &generator) }
        return Tensor(ids, shape: [count, Self.tokens])
    }

    /// Compiled, and how many multiply-adds an example takes.
    struct Compiled {
        let multiplyAdds: Int
        let quantization: Quantization?
        /// From examples to pooled vectors.
        let pooled: (Tensor) -> Tensor
    }

    func compiled(_ precision: ElementType, workers: Int) throws -> Compiled {
        guard let name = pictureName else { return try compiledEncoder(precision, nil, workers) }
        let network = try Self.network(name)
        return Self.compiled(FrozenBackbone(network, precision: precision), workers)
    }

    /// In 8-bit integers, calibrated on `examples`, and in bf16 what would lose too much.
    func quantized(calibratedOn examples: Tensor, workers: Int) throws -> Compiled {
        guard let name = pictureName else { return try compiledEncoder(.bfloat16, examples, workers) }
        return Self.compiled(try FrozenBackbone(try Self.network(name), calibratingOn: examples), workers)
    }

    private static func compiled(_ frozen: FrozenBackbone, _ workers: Int) -> Compiled {
        let adds = PandoTensor.multiplyAdds(inputShape: [1, side, side, 3]) {
            [frozen.backbone.features(of: .pictures($0)).pooled]
        }
        return Compiled(multiplyAdds: adds, quantization: frozen.quantization) {
            frozen.features(of: $0, workers: workers).pooled
        }
    }

    private func compiledEncoder(_ precision: ElementType, _ examples: Tensor?, _ workers: Int) throws -> Compiled {
        let opened = try BackboneSource(WeightsLocation.find(rawValue)).open()
        guard let network = opened.network as? BERT else { throw BackboneError(opened.weights.path, "holds no BERT") }
        let function: @Sendable ([Tensor]) -> [Tensor] = { inputs in
            let states = network.states(from: network.embeddings(ids: inputs[0]))
            return [states[states.count - 1].mean(along: [1])]
        }
        let quantization = try examples.map { try Quantization.calibrated(on: [[$0]], function) }
        let programs = ProgramCache(precision: precision, quantization: quantization, function)
        let adds = PandoTensor.multiplyAdds(inputShape: [1, Self.tokens, network.configuration.hiddenSize]) {
            Array(network.states(from: $0).suffix(1))
        }
        return Compiled(multiplyAdds: adds, quantization: quantization) {
            programs([$0], sliceSize: Self.textsAtOnce, workers: workers)[0]
        }
    }

    /// Texts that one thread encodes at once, as many as `FrozenBackbone` lets it.
    private static let textsAtOnce = 8

    /// Of the network that is deployed, its pretraining's classifier left out.
    var parameterCount: Int {
        get throws {
            guard let name = pictureName else {
                return try BackboneSource(WeightsLocation.find(rawValue)).open().network.parameterCount
            }
            let architecture = try Catalog.architecture(named: name)
            let classifiers = type(of: architecture.configuration).classifierNames
            return try Self.network(name).namedTensors.reduce(0) { count, tensor in
                let isClassifier = classifiers.contains { tensor.name.hasPrefix($0 + ".") }
                return tensor.isParameter && !isClassifier ? count + tensor.tensor.elementCount : count
            }
        }
    }

    /// Nil for a network over texts.
    private var pictureName: String? {
        switch self {
        case .mobileNetV2: "mobilenet_v2"
        case .efficientNetLite0: "efficientnet_lite0"
        case .resNet50: "resnet50"
        case .vitSmall: "vit_small_patch16_224"
        case .vitBase: "vit_base_patch16_224"
        case .miniLM: nil
        }
    }

    /// With its published weights where the set-up fetches them, else with random ones.
    private static func network(_ name: String) throws -> any ImageBackbone {
        let architecture = try Catalog.architecture(named: name)
        if Catalog.fetched.contains(name) { return try architecture.loadPretrained() }
        return try architecture.makeImageBackbone(forPicturesOf: side, seed: 1)
    }
}

extension Precision {
    var elementType: ElementType { self == .f32 ? .float32 : .bfloat16 }
}
