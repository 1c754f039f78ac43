import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Learnt tokens among a network's own.
@Suite struct PromptTuningTests {
    private static func adapter(on subject: AdapterSubject, depth: String) throws -> PromptTuning {
        var (configuration, generator) = (PromptConfiguration(), SeededGenerator(seed: 2))
        (configuration.count, configuration.depth) = (2, depth)
        let adapter = try configuration.makeAdapter(on: subject.backbone, vectorLength: 0, using: &generator)
        return try #require(adapter as? PromptTuning)
    }

    @Test(arguments: [AdapterSubject.bert, .vit], ["shallow", "deep"])
    func `gradients of prompts are those of central differences`(subject: AdapterSubject, depth: String) throws {
        let adapter = try Self.adapter(on: subject, depth: depth)
        #expect(adapter.prompts.count == (depth == "deep" ? 4 : 1))
        let features = subject.features(adapter.request)
        expectGradients(of: adapter.prompts, relative: 1e-2, "\(subject) \(depth)") { prompts in
            var moved = adapter
            moved.prompts = prompts
            return moved(features)
        }
    }

    @Test func `a compiled pass with prompts computes the same`() throws {
        let subject = AdapterSubject.vit
        let adapter = try Self.adapter(on: subject, depth: "deep")
        guard case .pictures(let pictures) = subject.input else { return }
        let program = Program(inputShape: pictures.shape) { pictures in
            [adapter(Features(pooled: .zeros([3, 0]), input: .pictures(pictures)))]
        }
        expectClose(program(pictures)[0], adapter(subject.features(adapter.request)), relative: 1e-4)
    }

    @Test func `a network that sees only what stands before a token is refused`() {
        let network = TextTransformer(
            TextTransformerConfiguration(
                vocabularySize: 30, hiddenSize: 16, layerCount: 2, headCount: 2, intermediateSize: 32, outputSize: 8))
        var generator = SeededGenerator(seed: 1)
        let error = #expect(throws: AdapterError.self) {
            try PromptConfiguration().makeAdapter(on: network, vectorLength: 0, using: &generator)
        }
        #expect(error?.description.contains("sees only what stands before a token; prefix and lora work") == true)
    }
}
