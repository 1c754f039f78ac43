import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Adapters inside networks, held against PEFT and PyTorch (`Tests/golden/inline.py`), and counted as PEFT counts.
@Suite struct InlineAdapterParityTests {
    static let cases: [(name: String, configuration: any AdapterConfiguration)] = [
        ("ia3", IA3Configuration()), ("bottleneck_serial", bottleneck("serial")),
        ("bottleneck_parallel", bottleneck("parallel")), ("prompt_shallow", prompt("shallow")),
        ("prompt_deep", prompt("deep")),
    ]

    private static func bottleneck(_ form: String) -> BottleneckConfiguration {
        var configuration = BottleneckConfiguration()
        (configuration.form, configuration.reduction, configuration.scale) = (form, 4, 0.5)
        return configuration
    }

    private static func prompt(_ depth: String) -> PromptConfiguration {
        var configuration = PromptConfiguration()
        (configuration.depth, configuration.count) = (depth, 3)
        return configuration
    }

    /// The pictures or texts of the golden files.
    private static func input(of network: any Backbone) -> BackboneInput {
        if network is any ImageBackbone { return .pictures(.waves(32, 32)) }
        let ids: [Int64] = (0..<24).map { (index: Int64) -> Int64 in (7 * index * index + 13 * index + 3) % 100 }
        let present = [Int64](repeating: 1, count: 20) + [Int64](repeating: 0, count: 4)
        return .texts(TokenTensors(ids: Tensor(ids, shape: [2, 12]), attentionMask: Tensor(present, shape: [2, 12])))
    }

    @Test(arguments: cases.indices)
    func `an adapter's parameters have the names, and its vectors the values, that PyTorch says`(index: Int) throws {
        let (name, configuration) = Self.cases[index]
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/inline")
        let file = try SafetensorsFile(folder.appendingPathComponent("\(name).safetensors"))
        let checkpoint = try TemporaryDirectory()
        try ReferenceCheckpoint(metadata: file.metadata).write(into: checkpoint)
        let network = try #require(try BackboneSource(checkpoint.url).open().network as? any BlockwiseBackbone)
        var generator = SeededGenerator(seed: 1)
        var adapter = try configuration.makeAdapter(on: network, vectorLength: 0, using: &generator)
        var stored: [String: Tensor] = [:]
        for (name, tensor) in file.tensors where name.hasPrefix("adapter/") { stored[String(name.dropFirst(8))] = tensor }
        try adapter.load(stored, from: name)
        if let count = file.metadata["parameters"] { #expect(adapter.parameterCount == Int(count)) }
        let vectors = adapter(network.features(adapter.request, of: Self.input(of: network)))
        expectClose(vectors, try #require(file.tensors["pooled"]), relative: 1e-4)
    }

    @Test func `LoRA of query and value with a head of 101 classes has as many parameters as PEFT's`() throws {
        let network = VisionTransformer(.base)
        var (configuration, generator) = (LoRAAdapterConfiguration(), SeededGenerator(seed: 1))
        configuration.rank = 16
        let adapter = try configuration.makeAdapter(on: network, vectorLength: 0, using: &generator)
        #expect(adapter.parameterCount == 589_824)
        #expect(adapter.parameterCount + Linear(768, 101, using: &generator).parameterCount == 667_493)
        configuration.targets = ["qkv"]  // one update of the fused projection
        let fused = try configuration.makeAdapter(on: network, vectorLength: 0, using: &generator)
        #expect(fused.parameterCount == 12 * 16 * 4 * 768)
    }

    /// Formulas of the papers, for layers of `C` and `4 C` features.
    @Test func `parameters are as many as the papers say`() throws {
        let (network, size) = (BERT(.tiny), 16)
        func count(_ configuration: some AdapterConfiguration) throws -> Int {
            var generator = SeededGenerator(seed: 1)
            return try configuration.makeAdapter(on: network, vectorLength: 0, using: &generator).parameterCount
        }
        // Two layers: keys, values, and 32 hidden features.
        #expect(try count(IA3Configuration()) == 2 * (2 * size + 32))
        // Four projections of 16, one of 32, one of 16, two norms of each layer, and the embeddings' norm.
        #expect(try count(BitFitConfiguration()) == 2 * (4 * size + 32 + size + 2 * size) + size)
        #expect(try count(NormConfiguration()) == 2 * 4 * size + 2 * size)
        #expect(try count(SSFConfiguration()) == 2 * (2 * (4 * size + 32 + size + 2 * size)) + 2 * size)
        #expect(try count(PrefixConfiguration()) == 2 * 2 * 10 * size)
        #expect(try count(PromptConfiguration()) == 2 * 10 * size)
        #expect(try count(Self.bottleneck("serial")) == 2 * 2 * (2 * 4 * size + 4 + size))
        #expect(try count(Self.bottleneck("pfeiffer")) == 2 * (2 * 4 * size + 4 + size))
        #expect(try count(Self.bottleneck("parallel")) == 2 * (2 * 4 * size + 4))
        // All but the pooler, which no mean passes through.
        #expect(try count(FullConfiguration()) == network.parameterCount - size * size - size)
        var last = LastBlocksConfiguration()
        last.blocks = 1
        #expect(try count(last) == 4 * (size * size + size) + 2 * 32 * size + 32 + size + 4 * size)
    }
}
