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
        /// From examples to pooled vectors.
        let pooled: (Tensor) -> Tensor
    }

    func compiled(_ precision: ElementType, workers: Int) throws -> Compiled {
        try compiled(
            workers, { FrozenBackbone($0, precision: precision) }, { FrozenBERT($0, precision: precision) })
    }

    /// In 8-bit integers, and where not in `precision`.
    func compiled(_ precision: ElementType, calibratedOn examples: [Tensor], workers: Int) throws -> Compiled {
        try compiled(
            workers, { try FrozenBackbone($0, precision: precision, calibratedOn: examples) },
            { try FrozenBERT($0, precision: precision, calibratedOn: examples) })
    }

    private func compiled(
        _ workers: Int, _ backbone: (any ImageBackbone) throws -> FrozenBackbone, _ encoder: (BERT) throws -> FrozenBERT
    ) throws -> Compiled {
        if self == .miniLM {
            let frozen = try encoder(SentenceEncoder(folder: WeightsLocation.find(rawValue)).network)
            return Compiled(multiplyAdds: frozen.multiplyAdds(length: Self.tokens)) {
                frozen.pooledStates(ids: $0, workers: workers)
            }
        }
        let network = try pictureNetwork()
        let frozen = try backbone(network)
        let adds = multiplyAdds(inputShape: [1, Self.side, Self.side, 3]) { [network.features(of: $0).pooled] }
        return Compiled(multiplyAdds: adds) { frozen.features(of: $0, workers: workers).pooled }
    }

    /// With its published weights where the set-up fetches them, else with random ones.
    private func pictureNetwork() throws -> any ImageBackbone {
        switch self {
        case .mobileNetV2: try ImageBackboneKind.mobileNetV2.loadPretrained()
        case .efficientNetLite0: try ImageBackboneKind.efficientNetLite0.loadPretrained()
        case .resNet50: ImageBackboneKind.resNet50.makeNetwork(pictureSize: Self.side, seed: 1)
        case .vitSmall: ImageBackboneKind.vitSmall.makeNetwork(pictureSize: Self.side, seed: 1)
        case .vitBase, .miniLM: ImageBackboneKind.vitBase.makeNetwork(pictureSize: Self.side, seed: 1)
        }
    }
}

extension Precision {
    var elementType: ElementType { self == .f32 ? .float32 : .bfloat16 }
}
