import PandoTensor
import PandoTestSupport
import Testing

/// Hard choices with soft gradients, rounding to grids, and what is left out at random.
@Suite struct StraightThroughTests {
    @Test func aHardChoiceIsOneHotAndFollowsTheProbabilities() {
        var generator = SeededGenerator(seed: 8)
        let probabilities: [Float] = [0.1, 0.6, 0.3]
        let logits = Tensor(probabilities).log().broadcast(to: [20_000, 3])
        let chosen = logits.gumbelSoftmax(temperature: 0.5, isHard: true, using: &generator)
        #expect(chosen.scalars().allSatisfy { $0 == 0 || $0 == 1 })
        #expect(chosen.sum(along: [1]).scalars().allSatisfy { $0 == 1 })
        for (share, expected) in zip(chosen.mean(along: [0]).scalars(), probabilities) {
            // Four deviations of a share among twenty thousand.
            #expect(abs(share - expected) < 4 * (expected * (1 - expected) / 20_000).squareRoot())
        }
    }

    @Test func aRelaxedChoiceDiffersFromDrawToDrawAndRepeatsWithTheSeed() {
        let logits = irregular([4, 3])
        func draws(_ seed: UInt64) -> [[Float]] {
            var generator = SeededGenerator(seed: seed)
            return (0..<2).map { _ in logits.gumbelSoftmax(using: &generator).scalars() }
        }
        #expect(draws(1) == draws(1))
        #expect(draws(1)[0] != draws(1)[1])
    }

    @Test func aBernoulliSamplePassesItsGradientToTheProbabilities() {
        var generator = SeededGenerator(seed: 8)
        let probabilities = Tensor.filled([10_000], with: 0.3).differentiable
        let sample = probabilities.bernoulliSample(using: &generator)
        #expect(sample.scalars().allSatisfy { $0 == 0 || $0 == 1 })
        #expect(abs(sample.mean().scalar() - 0.3) < 4 * Float(0.21 / 10_000).squareRoot())
        let seed = irregular([10_000])
        #expect(sample.gradients(for: [probabilities], seed: seed)[0].scalars() == seed.scalars())
        #expect(Tensor([0, 1] as [Float]).bernoulliSample(using: &generator).scalars() == [0, 1])
    }

    @Test func gridsReachAllValues() {
        let values = Tensor([-1, 0.5, 2, 0.25, -8, 4] as [Float], shape: [2, 3])
        let whole = QuantizationGrid.symmetric(for: values)
        #expect(whole.scales == [8 / 127] && whole.zeroPoints == [0] && whole.range == -127...127)
        let rows = QuantizationGrid.symmetric(for: values, bits: 4, axis: 0)
        #expect(rows.scales == [2 / 7, 8 / 7])
        let affine = QuantizationGrid.affine(for: values, axis: 0)
        #expect(affine.scales == [3 / 255, 12 / 255] && affine.zeroPoints == [85, 170] && affine.range == 0...255)
        #expect(QuantizationGrid.affine(for: .zeros([3])).scales == [1])
        let positive = QuantizationGrid.affine(for: .ones([3]))
        #expect(positive.zeroPoints == [0], "0 is always on the grid")
    }

    @Test(arguments: [nil, 0, 1, -1])
    func quantizedNumbersComeBackWithinHalfAStep(axis: Int?) {
        let values = irregular([5, 7]) * 3
        for grid in [QuantizationGrid.symmetric(for: values, axis: axis), .affine(for: values, axis: axis)] {
            let whole = values.quantized(on: grid)
            #expect(whole.elementType == (grid.range.lowerBound < 0 ? .int8 : .uint8))
            let back = whole.dequantized(from: grid)
            let half = (grid.scales.max() ?? 0) / 2
            #expect((back - values).absolute().scalars().allSatisfy { $0 <= half * 1.001 })
            #expect(values.fakeQuantized(on: grid).scalars() == back.scalars())
        }
    }

    @Test func halvesGoToEvenAndClippedValuesPassNoGradient() {
        let grid = QuantizationGrid(scale: 0.5, range: -2...2)
        let x = Tensor([0.25, 0.75, -0.25, 1.2, 1.3, -9, .infinity] as [Float]).differentiable
        #expect(x.quantized(on: grid).scalars(as: Int8.self) == [0, 2, 0, 2, 2, -2, 2])
        let y = x.fakeQuantized(on: grid)
        #expect(y.scalars() == [0, 1, 0, 1, 1, -1, 1])
        #expect(y.sum().gradients(for: [x])[0].scalars() == [1, 1, 1, 1, 0, 0, 0])
    }

    @Test func aGridThatDoesNotFitIsRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([2, 3]).fakeQuantized(on: QuantizationGrid(scales: [1, 2], axis: 1))
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("quantization grid: 2 channels do not fit axis 1 of shape [2, 3]"))
    }

    @Test func stochasticDepthLeavesOutWholeSamples() {
        var generator = SeededGenerator(seed: 5)
        let x = Tensor.ones([4000, 2, 3]).differentiable
        let y = x.stochasticDepth(0.25, using: &generator)
        let rows = y.reshaped(4000, 6)
        let first = rows.slice(0..<1, along: 1)
        #expect(rows.scalars() == first.broadcast(to: [4000, 6]).scalars())
        #expect(first.scalars().allSatisfy { $0 == 0 || $0 == 1 / 0.75 })
        let share = Float(first.scalars().filter { $0 == 0 }.count) / 4000
        #expect(abs(share - 0.25) < 4 * Float(0.1875 / 4000).squareRoot())
        #expect(y.sum().gradients(for: [x])[0].scalars() == y.scalars())
    }

    /// As a separate program computes it: the same on every machine.
    @Test func dropoutFollowsFromTheSeedAlone() {
        var generator = SeededGenerator(seed: 42)
        let kept = Tensor.ones([40]).droppedOut(0.5, using: &generator).scalars().map { $0 == 0 ? "-" : "x" }
        #expect(kept.joined() == "---x-xxx--x-xxx-x-x-x-xxxx-x-xxxx-x-xx--")
    }

    @Test(arguments: [[0], [1], [15], [16], [17], [3, 5, 7]])
    func dropoutTakesAnyShape(shape: [Int]) {
        var generator = SeededGenerator(seed: 1)
        let x = (irregular(shape) + 2).differentiable
        let y = x.droppedOut(0.4, using: &generator)
        let factors = zip(y.scalars(), x.scalars()).map { $0 / $1 }
        #expect(factors.allSatisfy { $0 == 0 || abs($0 - 1 / 0.6) < 1e-5 })
        let gradient = y.gradients(for: [x], seed: .ones(shape))[0].scalars()
        #expect(zip(gradient, factors).allSatisfy { abs($0 - $1) < 1e-5 })
    }

    @Test func dropoutTakesViewsAndKeepsNothing() {
        var (first, second) = (SeededGenerator(seed: 1), SeededGenerator(seed: 1))
        let view = irregular([6, 5]).transposed
        let dropped = view.droppedOut(0.4, using: &first)
        #expect(dropped.scalars() == view.contiguous().droppedOut(0.4, using: &second).scalars())
        let reduced = view.cast(to: .bfloat16).droppedOut(0.4, using: &first)
        #expect(reduced.elementType == .bfloat16)
    }

    @Test func neighbouringElementsAreIndependent() {
        var generator = SeededGenerator(seed: 3)
        let kept = Tensor.ones([1 << 16]).droppedOut(0.5, using: &generator).scalars().map { $0 == 0 ? -1 : 1 }
        for distance in [1, 2, 15, 16, 17, 32, 256] {
            let products = zip(kept, kept.dropFirst(distance)).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(abs(products) < 4 * 256, "elements \(distance) apart")
        }
    }
}
