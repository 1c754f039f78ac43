import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

@Suite struct UniPTTests {
    private static func core(_ weight: [Float], bias: Float, interacts: Bool = true) -> UniPTInteraction {
        var generator = SeededGenerator(seed: 1)
        var core = UniPTInteraction(width: weight.count, interacts: interacts, using: &generator)
        core.gate = Linear(weight: Tensor(weight, shape: [1, weight.count]), bias: Tensor([bias]))
        return core
    }

    private static let guide = Tensor([1, 0, 0, 1, -1, -1] as [Float], shape: [1, 3, 2])
    private static let states = Tensor([1, 1, 2, 0, 0, -1, 0, 1, 1, -1, 1, 1] as [Float], shape: [1, 2, 3, 2])
    private static let mask = Tensor([1, 1, 0] as [Int64], shape: [1, 3])

    @Test func `states are fused as computed by hand`() {
        let core = Self.core([1, -1], bias: 0.5)
        let affinities = core.affinities(guide: Self.guide, states: Self.states, mask: Self.mask)
        expectClose(
            affinities.element(0, along: 2), Tensor([1 / 3, 2 / 3, 0, 1, 0, 0, 0, 0, 0] as [Float], shape: [1, 3, 3]),
            relative: 1e-6)
        let confidences = core.confidences(guide: Self.guide, states: Self.states, mask: Self.mask)
        expectClose(confidences, Tensor([0.562177, 0.437823] as [Float], shape: [1, 2]), relative: 2e-6)
        let fused = core(guide: Self.guide, states: Self.states, mask: Self.mask)
        let expected: [Float] = [1.936961, 0.749569, 2.124353, 0.562176, 0.437823, -0.124353]
        expectClose(fused, Tensor(expected, shape: [1, 3, 2]), relative: 2e-6)
    }

    @Test func `what resembles nothing stays what it is`() {
        let opposite = Tensor([-1, -1, -2, -1] as [Float], shape: [1, 2, 2])
        let states = Tensor([1, 2, 3, 1] as [Float], shape: [1, 1, 2, 2])
        let fused = Self.core([1, 1], bias: 0)(guide: opposite, states: states, mask: nil)
        #expect(fused.scalars() == states.scalars())
        let idle = Self.core([1, 1], bias: 0, interacts: false)(guide: Self.guide, states: Self.states, mask: Self.mask)
        let shares = Self.core([1, 1], bias: 0).confidences(guide: Self.guide, states: Self.states, mask: Self.mask)
        expectClose(idle, (Self.states * shares.reshaped(1, 2, 1, 1)).sum(along: [1]))
    }

    @Test func `rows of affinities sum to one or are zero, and see no padding`() {
        let core = Self.core([Float](repeating: 0.1, count: 8), bias: 0)
        let mask = Tensor([1, 1, 1, 1, 1, 1, 0, 0, 0, 0] as [Int64], shape: [2, 5])
        let rows = core.affinities(guide: irregular([2, 5, 8]), states: irregular([2, 3, 5, 8], phase: 1), mask: mask)
        #expect(rows.sum(along: [3]).scalars().allSatisfy { $0 == 0 || abs($0 - 1) < 1e-5 })
        #expect(rows.slice(1..<2).slice(1..<5, along: 3).scalars().allSatisfy { $0 == 0 })
    }

    @Test func `parameters are as many as the paper's code has`() {
        var generator = SeededGenerator(seed: 1)
        func pooled<Side: UniPTSide>(_ side: Side, _ width: Int, _ output: Int) -> Int {
            UniPT(reading: [], side: side, up: Linear(width, output, using: &generator)).parameterCount
        }
        let bert = [Int](repeating: 768, count: 13)
        let (text, image) = (
            UniPTTokens(channels: bert, width: 512, using: &generator),
            UniPTMaps(channels: [256, 512, 1024, 2048], rates: [8, 4, 2, 1], width: 512, using: &generator)
        )
        #expect(pooled(text, 512, 1024) == 5_921_281)
        #expect(pooled(image, 512, 1024) == 6_433_537)
        #expect(GeneralizedPooling(using: &generator).parameterCount == 12_704)
        func vector(_ channels: Int) -> Int {
            UniPTVector(
                reading: [], channels: [Int](repeating: channels, count: 13), vectorLength: 512, width: 512,
                using: &generator
            ).parameterCount
        }
        #expect(vector(768) == 5_644_289)
        #expect(vector(512) == 3_940_353)
        let joint = UniPTTokens(channels: bert, width: 384, projectingThrough: 768, using: &generator)
        #expect(pooled(joint, 384, 768) == 4_736_641)
        let pair = UniPTEncoderDecoder(stateCount: 4, channels: 256, width: 128, using: &generator)
        #expect(pair.parameterCount == 481_666)
    }

    @Test func `gradients of the core match central differences`() {
        expectGradients(of: [irregular([2, 3, 4]), irregular([2, 2, 3, 4], phase: 1), irregular([1, 4], phase: 2)]) { x in
            var core = Self.core([0, 0, 0, 0], bias: 0.2)
            core.gate?.weight = x[2]
            return core(guide: x[0], states: x[1], mask: Tensor([1, 1, 1, 1, 1, 0] as [Int64], shape: [2, 3]))
        }
    }

    @Test func `maps whose sizes do not divide are filled up with zeros`() {
        let map = irregular([1, 5, 3, 2])
        let padded = map.padded(before: [0, 0, 0, 0], after: [0, 1, 1, 0])
        let queries = irregular([1, 3, 2, 2], phase: 1)
        let expected = salientSums(padded, under: queries, rate: 2, epsilon: 1e-8).scalars()
        #expect(salientSums(map, under: queries, rate: 2, epsilon: 1e-8).scalars() == expected)
    }

    @Test func `ranks are weighed by shares, and padding has none`() {
        var generator = SeededGenerator(seed: 4)
        let pooling = GeneralizedPooling(using: &generator)
        let weights = pooling.weights(ofLengths: [1, 3, 5], padded: 5)
        expectClose(weights.sum(along: [1]), .ones([3]))
        #expect(weights.slice(1..<2).slice(3..<5, along: 1).scalars() == [0, 0])
        // All tokens alike: any weights give the token.
        let same = irregular([2, 1, 6]).broadcast(to: [2, 5, 6]).contiguous()
        let mask = Tensor([1, 1, 1, 1, 1, 1, 1, 0, 0, 0] as [Int64], shape: [2, 5])
        expectClose(pooling(same, mask: mask), same.element(0, along: 1), relative: 1e-6)
        let x = irregular([1, 5, 6], phase: 3)
        let turned = Tensor.concatenated([x.slice(3..<5, along: 1), x.slice(0..<3, along: 1)], along: 1)
        #expect(pooling(x, mask: nil).scalars() == pooling(turned, mask: nil).scalars())
    }

    @Test func `a backbone that gives no such states is told why`() {
        var generator = SeededGenerator(seed: 1)
        let network = MobileNetV2Configuration().makeNetwork()
        func problems(_ change: (inout UniPTConfiguration) -> Void) -> String {
            var configuration = UniPTConfiguration()
            change(&configuration)
            do {
                _ = try configuration.makeAdapter(on: network, vectorLength: 9, using: &generator)
                return ""
            } catch { return error.description }
        }
        #expect(problems { $0.taps = ["features.18", "layers.1"] }.contains(#"it cannot read the taps ["layers.1"]"#))
        #expect(problems { $0.taps = ["features.18"] }.contains("needs 2 or more"))
        #expect(problems { $0.projection = .expanded }.contains("`projection: expanded` is for tokens"))
        #expect(problems { ($0.guide, $0.output) = (.vector, 5) }.contains("leave out `output`"))
        #expect(problems { ($0.guide, $0.pooling) = (.vector, .gpo) }.contains("nothing to pool"))
    }
}
