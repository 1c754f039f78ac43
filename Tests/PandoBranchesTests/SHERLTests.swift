import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

@Suite struct SHERLTests {
    private static func fusion(dividesByRedundancy: Bool = true) -> SHERLFusion {
        var generator = SeededGenerator(seed: 1)
        var fusion = SHERLFusion(width: 2, dividesByRedundancy: dividesByRedundancy, using: &generator)
        fusion.relevance = Linear(weight: .ones([1, 2]), bias: .zeros([1]))
        return fusion
    }

    private static func states(_ rows: [[Float]]) -> Tensor { Tensor(rows.flatMap { $0 }, shape: [1, rows.count, 2]) }

    @Test func `states are fused as computed by hand`() {
        let guide = Tensor([1, 2] as [Float], shape: [1, 2])
        let states = Self.states([[1, 0], [1, 0], [0, 1]])
        expectClose(Self.fusion().redundancies(states), Tensor([2, 2, 1] as [Float], shape: [1, 3]))
        let weights = Self.fusion().weights(states: states, guide: guide)
        expectClose(weights, Tensor([1 / 6, 1 / 6, 2 / 3] as [Float], shape: [1, 3]))
        let fused = guide + Self.fusion()(states: states, guide: guide)
        expectClose(fused, Tensor([1.333333, 2.666667] as [Float], shape: [1, 2]), relative: 1e-6)

        let other = Self.states([[3, 4], [4, 3], [-1, 2]])
        let otherGuide = Tensor([0.5, 1] as [Float], shape: [1, 2])
        expectClose(
            Self.fusion().redundancies(other), Tensor([2.407213, 2.138885, 1.626098] as [Float], shape: [1, 3]),
            relative: 1e-6)
        expectClose(
            Self.fusion().weights(states: other, guide: otherGuide),
            Tensor([0.412053, 0.421587, 0.166360] as [Float], shape: [1, 3]), relative: 3e-6)
        expectClose(
            otherGuide + Self.fusion()(states: other, guide: otherGuide),
            Tensor([3.256146, 4.245692] as [Float], shape: [1, 2]), relative: 1e-6)
    }

    @Test func `a state that is there three times counts once, unless redundancy is left out`() {
        let guide = Tensor([1, 2] as [Float], shape: [1, 2])
        let (once, thrice) = (Self.states([[1, 0], [0, 1]]), Self.states([[1, 0], [1, 0], [1, 0], [0, 1]]))
        func share(of count: Int, _ states: Tensor, _ fusion: SHERLFusion) -> Float {
            fusion.weights(states: states, guide: guide).slice(0..<count, along: 1).sum().scalar()
        }
        #expect(abs(share(of: 1, once, Self.fusion()) - 1 / 3) < 1e-5)
        #expect(abs(share(of: 3, thrice, Self.fusion()) - 1 / 3) < 1e-5)
        let plain = Self.fusion(dividesByRedundancy: false)
        #expect(abs(share(of: 1, once, plain) - 1 / 3) < 1e-5)
        #expect(abs(share(of: 3, thrice, plain) - 3 / 5) < 1e-5)
    }

    @Test func `weights are shares, redundancy is at least one, and what is irrelevant adds nothing`() {
        var generator = SeededGenerator(seed: 3)
        let fusion = SHERLFusion(width: 6, using: &generator)
        let (states, guide) = (irregular([9, 4, 6]), irregular([9, 6], phase: 1))
        #expect(fusion.redundancies(states).scalars().allSatisfy { $0 > 0.9999 })
        let weights = fusion.weights(states: states, guide: guide)
        #expect(weights.scalars().allSatisfy { $0 >= 0 })
        #expect(weights.sum(along: [1]).scalars().allSatisfy { $0 == 0 || abs($0 - 1) < 1e-3 })
        // A state of zeros resembles nothing, not even itself.
        let zeros = Tensor.concatenated([states, .zeros([9, 1, 6])], along: 1)
        #expect(fusion(states: zeros, guide: guide).isFinite)
        var idle = fusion
        idle.relevance.bias = Tensor([-100 as Float])
        #expect(idle(states: states, guide: guide).scalars().allSatisfy { $0 == 0 })
    }

    @Test func `parameters are as many as the paper's code has`() {
        var generator = SeededGenerator(seed: 1)
        func normalized(_ count: Int, _ channels: Int, _ width: Int, perceptron: Bool = false) -> Int {
            let down = (0..<count).map { _ in NormalizedLinear(channels, width, using: &generator) }
            return SHERLTokens(
                down: down, fusion: SHERLFusion(width: width, using: &generator),
                perceptron: perceptron ? UniPTProjection(width: width, through: channels, using: &generator) : nil,
                up: Linear(width, channels, using: &generator), norm: LayerNorm(channels)
            ).parameterCount
        }
        #expect(normalized(12, 768, 512) == 5_133_058)
        let maps = SHERLMaps(channels: [256, 512, 1024, 2048], rates: [8, 4, 2, 1], width: 512, using: &generator)
        #expect(maps.parameterCount == 3_027_458)
        func vector(_ channels: Int) -> Int {
            SHERLVector(
                reading: [], channels: [Int](repeating: channels, count: 13), vectorLength: 512, width: 512,
                using: &generator
            ).parameterCount
        }
        #expect(vector(768) == 5_650_958)
        #expect(vector(512) == 3_947_022)
        let gated = (0..<12).map { _ in GatedLinear(768, 384, using: &generator) }
        let joint = SHERLTokens(
            down: gated, fusion: SHERLFusion(width: 384, using: &generator), up: Linear(384, 768, using: &generator))
        #expect(joint.parameterCount == 7_387_778)
        #expect(2 * normalized(4, 256, 128, perceptron: true) == 464_900)
    }

    private static func route(seed: UInt64 = 5) -> SHERLTokens<NormalizedLinear> {
        var generator = SeededGenerator(seed: seed)
        let down = (0..<4).map { _ in NormalizedLinear(6, 4, using: &generator) }
        return SHERLTokens(
            down: down, fusion: SHERLFusion(width: 4, using: &generator), up: Linear(4, 6, using: &generator),
            norm: LayerNorm(6))
    }

    @Test func `in the beginning nothing of the deepest state goes on, and tokens do not see each other`() {
        let route = Self.route()
        let states = (0..<4).map { irregular([2, 5, 6], phase: Float($0)) }
        let order = Tensor([3, 0, 4, 1, 2] as [Int64])
        let turned = route(states.map { $0.gathered(at: order, along: 1) }, during: nil)
        expectClose(turned, route(states, during: nil).gathered(at: order, along: 1))
        var open = route
        open.gate.alpha = .filled([1], with: 0.05)
        let share = Tensor(0.5 as Float).tanh().scalar()
        expectClose(open(states, during: nil), route(states, during: nil) + states[3] * share)
    }

    @Test func `gradients through relevance, redundancy and gate match central differences`() {
        let inputs = [
            irregular([4, 3, 5]), irregular([4, 5], phase: 1) + 1, irregular([1, 5], phase: 2) + 1,
            irregular([1], phase: 3),
        ]
        expectGradients(of: inputs) { x in
            var generator = SeededGenerator(seed: 1)
            var fusion = SHERLFusion(width: 5, using: &generator)
            fusion.relevance = Linear(weight: x[2], bias: Tensor([4 as Float]))
            var gate = SHERLGate()
            gate.alpha = x[3] * 0.05
            return gate(fusion(states: x[0], guide: x[1]), adding: x[1])
        }
    }
}
