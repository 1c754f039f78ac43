import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

@Suite struct LSTTests {
    private static func ladder() throws -> LST<LadderTransformerBlock> {
        var generator = SeededGenerator(seed: 1)
        let adapter = try LSTConfiguration().makeAdapter(
            on: AdapterSubject.bert.backbone, vectorLength: 32, using: &generator)
        return try #require(adapter as? LST<LadderTransformerBlock>)
    }

    @Test func `the side network is as much narrower as asked, and no narrower than eight`() throws {
        var generator = SeededGenerator(seed: 1)
        #expect(try Self.ladder().down.map(\.outFeatures) == [8, 8, 8, 8, 8])
        var configuration = LSTConfiguration()
        configuration.reduction = 2
        let maps = try #require(
            try configuration.makeAdapter(on: AdapterSubject.resNet.backbone, vectorLength: 32, using: &generator)
                as? LST<LadderConvolutionBlock>)
        #expect(maps.down.map(\.outFeatures) == [8, 8, 16, 16])
        #expect(maps.carries.map { $0 != nil } == [false, true, false])
    }

    @Test func `gates open halfway, shut out the backbone or the rungs below`() throws {
        var ladder = try Self.ladder()
        let features = AdapterSubject.bert.features(ladder.request)
        #expect(ladder.gates.scalars() == [0, 0, 0, 0])
        func changed(_ tap: String) -> Features {
            var changed = features
            changed.taps[tap] = irregular(features[tap].shape, phase: 4)
            return changed
        }
        let open = ladder(features).scalars()
        #expect(ladder(changed("layers.0")).scalars() != open && ladder(changed("layers.4")).scalars() != open)
        ladder.gates = .filled([4], with: -20)
        let shut = ladder(features).scalars()
        #expect(ladder(changed("layers.4")).scalars() == shut && ladder(changed("layers.0")).scalars() != shut)
        ladder.gates = .filled([4], with: 20)
        let last = ladder(features).scalars()
        #expect(ladder(changed("layers.0")).scalars() == last && ladder(changed("layers.4")).scalars() != last)
    }

    @Test func `parameters are those of the rungs`() throws {
        let (channels, width) = (32, 8)
        let block = 4 * width + 4 * width * width + 4 * width + 8 * width * width + 5 * width
        let expected = 5 * (channels * width + width) + 4 + 4 * block + 2 * width + width * channels + channels
        #expect(try Self.ladder().parameterCount == expected)
    }
}
