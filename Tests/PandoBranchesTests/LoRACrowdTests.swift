import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Several tasks' LoRAs in one pass.
@Suite struct LoRACrowdTests {
    private static let network = { var network = BERT(.tiny); network.initialize(.transformer, seed: 1); return network }()

    /// A trained LoRA: one that changes something.
    private func adapter(
        _ targets: [String], seed: UInt64, _ change: (inout LoRAConfiguration) -> Void = { _ in }
    ) throws -> InlineAdapter<LoRASet> {
        var configuration = LoRAConfiguration(rank: 2, alpha: 4, targets: .names(targets))
        change(&configuration)
        var generator = SeededGenerator(seed: seed)
        var set = try LoRASet(on: Self.network, configuration, using: &generator)
        set.updateParameters { $1 + Tensor.uniform(-0.3..<0.3, $1.shape, using: &generator) }
        return InlineAdapter(set, on: Self.network)
    }

    private var features: Features {
        let ids = Tensor((0..<15).map { Int64($0 * 7 % 50) }, shape: [3, 5])
        let mask = Tensor([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0] as [Float], shape: [3, 5])
        let input = BackboneInput.texts(TokenTensors(ids: ids, attentionMask: mask))
        let states = Self.network.activations(of: input, reading: Set(Self.network.taps.map(\.name)))
        return Features(taps: states.taps, pooled: .zeros([3, 0]), mask: mask, input: input)
    }

    @Test func `each task gets what its own pass would give it`() throws {
        let adapters = [
            try adapter(["query", "value"], seed: 1), try adapter(["query"], seed: 2) { $0.tracksMagnitude = true },
            try adapter(["output.dense"], seed: 3) { $0.layers = [1] },
        ]
        let crowd = try #require(LoRACrowd(adapters))
        #expect(crowd.taskCount == 3 && crowd.request == adapters[0].request)
        let features = features
        let together = crowd(features, for: [2, 0, 1])
        for (vectors, task) in zip(together, [2, 0, 1]) { expectClose(vectors, adapters[task](features), relative: 1e-5) }
        let some = crowd(features, for: [TaskRows(1, rows: [2, 0])], during: nil)[0]
        expectClose(some, adapters[1](features).gathered(at: Tensor([2, 0] as [Int64])), relative: 1e-5)
        let frozen = FrozenSharing(crowd)(features)
        for (vectors, adapter) in zip(frozen, adapters) { expectClose(vectors, adapter(features), relative: 1e-5) }
    }

    @Test func `only LoRAs of linear layers go together`() throws {
        let lora = try adapter(["query"], seed: 1)
        #expect(LoRACrowd([lora]) == nil)
        #expect(LoRACrowd([lora, Probe(featureCount: lora.featureCount)] as [any Adapter]) == nil)
        var replacing = lora
        replacing.change.replaced["encoder.layer.0.attention.self.query.bias"] = .zeros([16])
        #expect(LoRACrowd([lora, replacing]) == nil)
        #expect(LoRACrowd([lora, lora]) != nil)
    }
}
