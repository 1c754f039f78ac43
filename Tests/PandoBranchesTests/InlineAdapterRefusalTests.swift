import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// What inline adapters read of the frozen pass, and networks that cannot carry them.
@Suite struct InlineAdapterRefusalTests {
    private static let text = BERT(.tiny)
    private static let pictures = ResNet(
        ResNetConfiguration(widths: [8, 8, 16, 16], blocks: [1, 1, 1, 1], isBottleneck: true))

    private static func make(_ configuration: some AdapterConfiguration, on network: any Backbone) throws(AdapterError)
        -> any Adapter
    {
        var generator = SeededGenerator(seed: 1)
        return try configuration.makeAdapter(on: network, vectorLength: 0, using: &generator)
    }

    private static func lora(_ change: (inout LoRAAdapterConfiguration) -> Void) -> LoRAAdapterConfiguration {
        var configuration = LoRAAdapterConfiguration()
        configuration.rank = 2
        change(&configuration)
        return configuration
    }

    @Test func `gradients enter at the first changed block, and what comes before it is read`() throws {
        let second = try Self.make(Self.lora { $0.layers = ["1"] }, on: Self.text)
        #expect(second.gradientEntry == 2)
        #expect(second.request == FeatureRequest(taps: ["layers.1"]))
        let first = try Self.make(Self.lora { _ in }, on: Self.text)
        #expect(first.gradientEntry == 1)
        #expect(first.request == FeatureRequest(taps: ["layers.0"]))
        let whole = try Self.make(FullConfiguration(), on: Self.text)
        #expect(whole.gradientEntry == 0)
        #expect(whole.request == .input)
        var blocks = LastBlocksConfiguration()
        blocks.blocks = 1
        #expect(try Self.make(blocks, on: Self.pictures).gradientEntry == 3)
        #expect(try Self.make(blocks, on: Self.pictures).request == FeatureRequest(taps: ["layer3.0"]))
        #expect(try Self.make(PromptConfiguration(), on: Self.text).gradientEntry == 1)
    }

    @Test func `what a network cannot carry is refused with what would work`() {
        func message(_ configuration: some AdapterConfiguration, on network: any Backbone) -> String {
            let error = #expect(throws: AdapterError.self) { try Self.make(configuration, on: network) }
            return error?.description ?? ""
        }
        #expect(message(IA3Configuration(), on: Self.pictures).contains("no attention whose keys could be scaled; ssf"))
        #expect(message(PromptConfiguration(), on: Self.pictures).contains("no chain of blocks over tokens; lora"))
        #expect(message(PrefixConfiguration(), on: Self.pictures).contains("no self-attention that a prefix could lead"))
        var parallel = BottleneckConfiguration()
        parallel.form = "parallel"
        #expect(message(parallel, on: Self.pictures).contains("form: serial works"))
        var blocks = LastBlocksConfiguration()
        blocks.blocks = 3
        #expect(message(blocks, on: Self.text).contains("blocks is 3, and the network has 3; at most 2"))
        #expect(message(Self.lora { $0.rank = 17 }, on: Self.text).contains("has room for rank 16 at most, not 17"))
        #expect(message(Self.lora { $0.targets = ["query", "q_proj"] }, on: Self.text).contains("q_proj"))
        #expect(message(Self.lora { $0.layers = ["first"] }, on: Self.text).contains("expected numbers of blocks"))
        #expect(message(Self.lora { $0.layers = ["7"] }, on: Self.text).contains("no layer is meant"))
        #expect(message(Self.lora { $0.ranks = ["query"] }, on: Self.text).contains("as in 'query=16'"))
        #expect(message(Self.lora { $0.ranks = ["qurey=16"] }, on: Self.text).contains("'qurey' means none of the adapted"))
        #expect(message(Self.lora { $0.layers = ["7"] }, on: Self.text).contains("meant by query, value in blocks 7;"))
        #expect(!message(Self.lora { $0.rank = 17 }, on: Self.text).contains("\n"))
    }

    @Test func `LoRA adapts what is named, in ranks of its own, and never what the vector does not depend on`() throws {
        func set(_ configuration: LoRAAdapterConfiguration, on network: any Backbone = Self.text) throws -> LoRASet {
            try #require(try Self.make(configuration, on: network) as? InlineAdapter<LoRASet>).change
        }
        let all = try set(Self.lora { $0.targets = ["all-linear"] })
        #expect(all.sites.count == 12)  // without the pooler
        let ranked = try set(Self.lora { $0.ranks = ["layer.1.*query=5"] })
        #expect(ranked.layers.map(\.adapter.rank).sorted() == [2, 2, 2, 5])
        let vision = VisionTransformer(.mini)
        let parts = try set(Self.lora { $0.targets = ["key"] }, on: vision)
        #expect(parts.sites.map(\.part) == [1, 1])
        let fused = try set(Self.lora { $0.targets = ["qkv"] }, on: vision)
        #expect(fused.sites.map(\.partCount) == [1, 1])
    }

    @Test func `what was trained here is stored in the names that others read`() throws {
        let configuration = VisionTransformerConfiguration.mini
        let adapter = try Self.make(Self.lora { _ in }, on: VisionTransformer(configuration))
        let set = try #require(adapter as? InlineAdapter<LoRASet>).change
        let architecture = Architecture(name: "vit", configuration)
        let folder = try TemporaryDirectory()
        let named = try set.named(for: architecture)
        #expect(named.dialect.name == "transformers")
        try named.write(to: folder.url)
        let again = try LoRASet(folder.url, for: VisionTransformer(configuration), architecture)
        #expect(again.sites.map(\.layer) == set.sites.map(\.layer) && again.sites.map(\.part) == set.sites.map(\.part))
        #expect(zip(again.parameters, set.parameters).allSatisfy { $0.scalars() == $1.scalars() })
    }
}
