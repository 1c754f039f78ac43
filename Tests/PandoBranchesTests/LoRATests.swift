import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Low-rank adapters by themselves, and files that do not fit.
@Suite struct LoRATests {
    private static let network = { var network = BERT(.tiny); network.initialize(.transformer, seed: 1); return network }()
    private static let architecture = Architecture(name: "bert", BERTConfiguration.tiny)
    private static let ids = Tensor((0..<10).map { Int64($0 * 7 % 50) }, shape: [2, 5])

    private static func output(_ network: BERT) -> Tensor {
        network.states(from: network.embeddings(ids: ids)).last!
    }

    private static func set(_ change: (inout LoRAConfiguration) -> Void = { _ in }) throws(AdapterError) -> LoRASet {
        var configuration = LoRAConfiguration(rank: 2, alpha: 4, targets: .names(["query", "value"]))
        change(&configuration)
        var generator = SeededGenerator(seed: 3)
        return try LoRASet(on: network, configuration, using: &generator)
    }

    @Test(arguments: [false, true])
    func `a fresh adapter changes nothing`(tracksMagnitude: Bool) throws {
        let set = try Self.set { $0.tracksMagnitude = tracksMagnitude }
        let (plain, adapted) = (Self.output(Self.network), Self.output(Self.network.adapted(by: set)))
        if tracksMagnitude {
            expectClose(adapted, plain, relative: 1e-6)
        } else {
            #expect(adapted.scalars() == plain.scalars())
        }
    }

    @Test func `the number of trained parameters is that of the factors`() throws {
        // Two layers, two projections each, rank 2, 16 features on either side.
        #expect(try Self.set().parameterCount == 2 * 2 * 2 * (16 + 16))
        #expect(try Self.set { $0.tracksMagnitude = true }.parameterCount == 2 * 2 * (2 * (16 + 16) + 16))
        #expect(try Self.set { $0.rankPattern = ["layer.1.*query": 1] }.parameterCount == 3 * 2 * 32 + 32)
        #expect(try Self.set { $0.layers = [0] }.parameterCount == 2 * 2 * 32)
        #expect(try Self.set { $0.targets = .allLinear }.sites.count == 2 * 6 + 1)
    }

    @Test(arguments: [false, true])
    func `gradients are those of central differences, and the network has none`(tracksMagnitude: Bool) throws {
        var set = try Self.set { $0.tracksMagnitude = tracksMagnitude }
        var generator = SeededGenerator(seed: 4)
        set.updateParameters { name, tensor in
            tensor + Tensor.uniform(-0.3..<0.3, tensor.shape, using: &generator)
        }
        let (network, start) = (Self.network, set)
        func loss(_ set: LoRASet) -> Tensor { (Self.output(network.adapted(by: set)) * Self.weights).sum() }
        let (_, gradients) = valueAndGradients(of: set, loss)
        let names = set.namedTensors.map(\.name)
        #expect(gradients.tensors.count == names.count)
        for (name, gradient) in zip(names, gradients.tensors) where !tracksMagnitude || name.hasSuffix("magnitude_vector") {
            // DoRA takes the length as a constant, so its factors' gradients are not the function's own.
            let direction = Tensor.uniform(-1..<1, gradient.shape, using: &generator)
            func moved(by step: Float) -> Float {
                var moved = start
                moved.updateParameters { $0 == name ? $1 + direction * step : $1 }
                return loss(moved).scalar()
            }
            let numeric = (moved(by: 2e-2) - moved(by: -2e-2)) / 4e-2
            let exact = (gradient * direction).sum().scalar()
            #expect(abs(numeric - exact) <= 2e-2 * max(abs(exact), 0.5), "\(name): \(numeric) and \(exact)")
        }
    }

    private static let weights: Tensor = {
        var generator = SeededGenerator(seed: 5)
        return .uniform(-1..<1, [2, 5, 16], using: &generator)
    }()

    @Test func `unless told otherwise, query and value are adapted, or where there are none, convolutions`() throws {
        #expect(try LoRAConfiguration.usualTargets(of: Self.network, in: .own) == .names(["query", "value"]))
        let vision = VisionTransformerConfiguration.tiny
        let older = try #require(vision.dialects.first { $0.name == "transformers" })
        #expect(try LoRAConfiguration.usualTargets(of: vision.makeNetwork(), in: older) == .names(["query", "value"]))
        #expect(try LoRAConfiguration.usualTargets(of: vision.makeNetwork(), in: .own) == .names(["qkv"]))
        let residual = ResNetConfiguration.resNet18.makeNetwork()
        #expect(try LoRAConfiguration.usualTargets(of: residual, in: .own) == .names(["conv1", "conv2"]))
        let mobile = MobileNetV3Configuration(.small, width: 0.35).makeNetwork()
        var pointwise: [String] = []
        if case .names(let names) = try LoRAConfiguration.usualTargets(of: mobile, in: .own) { pointwise = names }
        #expect(pointwise.contains("features.1.block.2.0"))  // what narrows the first block
        #expect(!pointwise.contains { $0.hasSuffix("fc1") || $0.hasPrefix("classifier") || $0 == "features.0.0" })
        let error = #expect(throws: AdapterError.self) {
            try LoRAConfiguration.usualTargets(of: Linear(weight: .zeros([2, 2])), in: .own)
        }
        #expect(error?.description.contains("name some") == true)
    }

    @Test func `modules that are nowhere, and ranks too large, are refused`() {
        let nowhere = #expect(throws: AdapterError.self) { try Self.set { $0.targets = .names(["q_proj"]) } }
        #expect(nowhere?.description.contains("encoder.layer.0.attention.output.dense") == true)
        let large = #expect(throws: AdapterError.self) { try Self.set { $0.rank = 17 } }
        #expect(large?.problems.count == 1)
        #expect(large?.description.contains(", as 3 more, of shape [16, 16] has room for rank 16 at most, not 17") == true)
        let broken = #expect(throws: AdapterError.self) { try Self.set { $0.targets = .pattern("(") } }
        #expect(broken?.description.contains("no regular expression") == true)
    }

    /// Writes a set, changes the configuration's text or the tensors, and reads it again.
    private static func reread(
        _ set: LoRASet, config: (String) -> String = { $0 }, tensors change: (inout [String: Tensor]) -> Void = { _ in }
    ) throws -> LoRASet {
        let folder = try TemporaryDirectory()
        try set.write(to: folder.url)
        let file = folder.file("adapter_config.json")
        let text = try String(contentsOf: file, encoding: .utf8)
        try Data(config(text).utf8).write(to: file)
        var tensors = try SafetensorsFile(folder.file("adapter_model.safetensors")).tensors.dictionary
        change(&tensors)
        try SafetensorsFile.write(tensors, to: folder.file("adapter_model.safetensors"))
        return try LoRASet(folder.url, for: network, architecture)
    }

    @Test func `keys that would change the arithmetic are refused by name`() throws {
        let set = try Self.set()
        let more = #""use_qalora": true, "layer_replication": [[0, 2]], "some_new_trick": {"a": 1}, "alora_invocation_tokens": null,"#
        let error = #expect(throws: BackboneError.self) {
            try Self.reread(set, config: { $0.replacingOccurrences(of: "\"use_dora\"", with: more + "\"use_dora\"") })
        }
        #expect(error?.problems.count == 3)
        for key in ["use_qalora", "layer_replication", "some_new_trick"] {
            #expect(error?.description.contains("\(key): would change what the adapter computes") == true)
        }
        let pissa = #expect(throws: BackboneError.self) {
            try Self.reread(set, config: { $0.replacingOccurrences(of: "\"init_lora_weights\" : true", with: "\"init_lora_weights\" : \"pissa\"") })
        }
        #expect(pissa?.description.contains("path_initial_model_for_weight_conversion") == true)
        let other = #expect(throws: BackboneError.self) {
            try Self.reread(set, config: { $0.replacingOccurrences(of: "\"LORA\"", with: "\"LOHA\"") })
        }
        #expect(other?.description.contains("peft_type: is 'LOHA'") == true)
    }

    @Test func `every tensor that is missing, left over or of another shape is named`() throws {
        let root = "base_model.model.encoder.layer.0.attention.self."
        let error = #expect(throws: AdapterError.self) {
            try Self.reread(try Self.set(), tensors: { tensors in
                tensors[root + "query.lora_A.weight"] = .zeros([3, 16])
                tensors[root + "value.lora_B.weight"] = nil
                tensors[root + "key.lora_B.weight"] = .zeros([16, 2])
                tensors["base_model.model.encoder.layer.9.attention.self.query.lora_A.weight"] = .zeros([2, 16])
                tensors["base_model.model.classifier.weight"] = .zeros([3, 16])
            })
        }
        let text = error?.description ?? ""
        #expect(text.contains("layer.0.attention.self.query.lora_A.weight has shape [3, 16], expected [2, 16]"))
        #expect(text.contains("layer.0.attention.self.value has only lora_A.weight"))
        #expect(text.contains("layer.0.attention.self.key has only lora_B.weight"))
        #expect(text.contains("encoder.layer.9.attention.self.query is no layer of this network"))
        #expect(text.contains("classifier.weight [3, 16] is left over"))
        let none = #expect(throws: AdapterError.self) { try Self.reread(try Self.set(), tensors: { $0 = ["x": .zeros([1])] }) }
        #expect(none?.description.contains("does not begin with base_model.model.") == true)
    }

    @Test func `a saved module above the network is kept for the head`() throws {
        var set = try Self.set { $0.savedModules = ["classifier"] }
        set.additional = ["classifier.weight": .ones([3, 16])]
        let again = try Self.reread(set)
        #expect(again.additional["classifier.weight"]?.shape == [3, 16])
        #expect(again.replaced.isEmpty)
    }
}

extension BERTConfiguration {
    static let tiny = {
        var configuration = BERTConfiguration.miniLM
        (configuration.vocabularySize, configuration.hiddenSize, configuration.layerCount) = (50, 16, 2)
        (configuration.headCount, configuration.intermediateSize, configuration.maximumPositions) = (2, 32, 8)
        return configuration
    }()
}
