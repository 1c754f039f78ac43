import PandoBackbones
import PandoTensor
import PandoTestSupport
import Testing

/// Language models as transformers stores them, against what it tells of the next token (`Tests/golden/language.py`).
@Suite struct LanguageModelTests {
    static let decoders = ["llama", "qwen2_tied"]
    static let encoderDecoders = ["t5", "t5_gated"]

    private func decoder(_ name: String) throws -> (Llama, ReferenceNetwork, TokenTensors) {
        let reference = try ReferenceNetwork(name, in: "language")
        let folder = try TemporaryDirectory()
        let opened = try reference.source(in: folder).open()
        return (try #require(opened.network as? Llama), reference, .reference(length: 12, vocabulary: 83))
    }

    private func encoderDecoder(_ name: String) throws -> (T5, ReferenceNetwork, TokenTensors) {
        let reference = try ReferenceNetwork(name, in: "language")
        let folder = try TemporaryDirectory()
        let opened = try reference.source(in: folder).open()
        return (try #require(opened.network as? T5), reference, .reference(length: 12, vocabulary: 83))
    }

    private func expected(_ reference: ReferenceNetwork) -> [Int] {
        reference.golden["continuation"]!.scalars(as: Int64.self).map(Int.init)
    }

    /// `(5 i + 3) mod 83`.
    private let written = Tensor((0..<14).map { Int64((5 * $0 + 3) % 83) }, shape: [2, 7])

    @Test(arguments: decoders)
    func aDecoderTellsTheNextTokenAsTransformersDoes(name: String) throws {
        let (network, reference, texts) = try decoder(name)
        var cache = KeyValueCache()
        let logits = network.logits(of: texts.ids, cache: &cache)
        expectClose(logits, reference.golden["logits"]!, relative: 1e-4)
        #expect(cache.length == 12)
    }

    @Test(arguments: decoders)
    func whatIsCachedChangesNoScore(name: String) throws {
        let (network, reference, texts) = try decoder(name)
        for steps in [[5, 1, 1, 1, 1, 1, 1, 1], [1, 4, 7], [6, 6]] {
            var cache = KeyValueCache()
            var start = 0
            let parts = steps.map { count in
                defer { start += count }
                return network.logits(of: texts.ids.slice(start..<start + count, along: 1), cache: &cache)
            }
            expectClose(.concatenated(parts, along: 1), reference.golden["logits"]!, relative: 1e-4, "\(steps)")
        }
    }

    @Test(arguments: decoders)
    func aContinuationIsTheLikeliestTokenByToken(name: String) throws {
        let (network, reference, texts) = try decoder(name)
        let prompt = texts.ids.scalars(as: Int64.self).prefix(5).map(Int.init)
        #expect(network.continuation(of: prompt, atMost: 12) == expected(reference))
        #expect(network.continuation(of: prompt, atMost: 0).isEmpty)
        #expect(network.continuation(of: prompt, atMost: 2) == Array(expected(reference).prefix(2)))
    }

    @Test func aContinuationEndsWhereTheTextWouldGrowTooLong() throws {
        let (network, _, _) = try decoder("qwen2_tied")
        let prompt = Array(repeating: 7, count: network.maximumLength - 1)
        #expect(network.continuation(of: prompt, atMost: 50).count <= 1)
    }

    @Test(arguments: encoderDecoders)
    func anEncoderDecoderAnswersAsTransformersDoes(name: String) throws {
        let (network, reference, texts) = try encoderDecoder(name)
        let taps = Set(network.taps.map(\.name))
        let features = network.features(of: texts, reading: taps)
        for tap in network.taps {
            let states = features.taps[tap.name]!.slice(1..<2).slice(0..<8, along: 1)
            expectClose(states.mean(along: [0, 1]), reference.golden["\(tap.name)/mean"]!, relative: 1e-4, tap.name)
        }
        var decoding = network.decoding(of: texts)
        expectClose(network.logits(of: written, &decoding), reference.golden["logits"]!, relative: 1e-4, "at once")
        decoding = network.decoding(of: texts)
        let parts = [0..<3, 3..<4, 4..<7].map { network.logits(of: written.slice($0, along: 1), &decoding) }
        expectClose(.concatenated(parts, along: 1), reference.golden["logits"]!, relative: 1e-4, "from the cache")
        #expect(network.answers(to: texts, atMost: 12)[0] == expected(reference))
    }

    @Test func aProgramOfAnEncoderEqualsTheEagerPass() throws {
        let (network, _, texts) = try encoderDecoder("t5_gated")
        let inputs = [texts.ids, texts.attentionMask.cast(to: .float32)]
        let program = Program(inputs: inputs.map { Program.Input(shape: $0.shape, type: $0.elementType) }) {
            [network.features(of: TokenTensors(ids: $0[0], attentionMask: $0[1])).pooled]
        }
        expectClose(program(inputs)[0], network.features(of: texts).pooled, relative: 1e-5)
    }

    @Test(arguments: decoders + encoderDecoders)
    func whatStandsInThePaddingChangesNothing(name: String) throws {
        let reference = try ReferenceNetwork(name, in: "language")
        let folder = try TemporaryDirectory()
        let network = try #require(try reference.source(in: folder).open().network as? any TextBackbone)
        func pooled(_ ids: [Int64], present: Int) -> Tensor {
            let mask = ids.indices.map { Float($0 < present ? 1 : 0) }
            return network.features(
                of: TokenTensors(ids: Tensor(ids, shape: [1, ids.count]), attentionMask: Tensor(mask, shape: [1, ids.count]))
            ).pooled
        }
        let alone = pooled([9, 4, 70], present: 3)
        expectClose(pooled([9, 4, 70, 0, 0], present: 3), alone, relative: 1e-5)
        expectClose(pooled([9, 4, 70, 82, 5], present: 3), alone, relative: 1e-5)
    }

    @Test(arguments: decoders + encoderDecoders)
    func noTextsHaveNoFeatures(name: String) throws {
        let reference = try ReferenceNetwork(name, in: "language")
        let folder = try TemporaryDirectory()
        let network = try #require(try reference.source(in: folder).open().network as? any TextBackbone)
        let none = Tensor.zeros([0, 4], .int64)
        let features = network.features(of: TokenTensors(ids: none, attentionMask: none))
        #expect(features.pooled.shape == [0, 32])
    }
}
