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
        let adds = try multiplyAddsPerExample()
        if self == .miniLM {
            let network = try encoder()
            let programs = ProgramCache(precision: precision) { inputs in
                Self.pooled(network, network.embeddings(ids: inputs[0]))
            }
            return Compiled(multiplyAdds: adds) {
                programs([$0], sliceSize: FrozenBackbone.sliceSize, workers: workers)[0]
            }
        }
        let frozen = FrozenBackbone(try pictureNetwork(), precision: precision)
        return Compiled(multiplyAdds: adds) { frozen.features(of: $0, workers: workers).pooled }
    }

    /// In 8-bit integers, the ranges found on `examples`, and where not in `precision`.
    func quantized(_ precision: ElementType, calibratedOn examples: Tensor, batch: Int, workers: Int) throws -> Compiled {
        let traced = try traced()
        let quantization = try Quantization.calibrated(on: [traced.input(examples)], traced.function)
        let size = min(FrozenBackbone.sliceSize, (batch + workers - 1) / workers)
        let shape = [size] + traced.input(self.examples(size)).shape.dropFirst()
        let program = try Program(
            inputShape: shape, precision: precision, quantization: quantization, traced.function)
        return Compiled(multiplyAdds: try multiplyAddsPerExample()) { examples in
            let parts = Parallel.map(batch / size, workers: workers) {
                program(traced.input(examples.slice($0 * size..<($0 + 1) * size)))[0]
            }
            return .concatenated(parts)
        }
    }

    /// A network as programs take it: what is computed outside of them first, and what they compute.
    private struct Traced: Sendable {
        let input: @Sendable (Tensor) -> Tensor
        let function: @Sendable (Tensor) -> [Tensor]
    }

    private func traced() throws -> Traced {
        if self == .miniLM {
            let network = try encoder()
            return Traced(input: { network.embeddings(ids: $0) }, function: { Self.pooled(network, $0) })
        }
        let network = try pictureNetwork()
        return Traced(input: { $0 }, function: { [network.features(of: $0).pooled] })
    }

    private func multiplyAddsPerExample() throws -> Int {
        let traced = try traced()
        return multiplyAdds(inputShape: traced.input(examples(1)).shape, traced.function)
    }

    private func encoder() throws -> BERT { try SentenceEncoder(folder: WeightsLocation.find(rawValue)).network }

    private static func pooled(_ network: BERT, _ embeddings: Tensor) -> [Tensor] {
        let states = network.states(from: embeddings)
        return [states[states.count - 1].mean(along: [1])]
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
