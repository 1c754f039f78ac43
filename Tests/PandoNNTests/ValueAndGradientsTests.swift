import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Differentiating with respect to a module, and leaving all else alone.
@Suite struct ValueAndGradientsTests {
    private struct Stack: Module {
        var layers: [Linear]
        var head: Linear

        mutating func visit(_ visitor: inout some Visitor) {
            visitor.modules("layers", &layers)
            visitor.module("head", &head)
        }

        func callAsFunction(_ x: Tensor) -> Tensor { head(layers.reduce(x) { $1($0).relu() }) }

        static func make(depth: Int, width: Int) -> Stack {
            var generator = SeededGenerator(seed: 1)
            return Stack(
                layers: (0..<depth).map { _ in Linear(width, width, using: &generator) },
                head: Linear(width, 4, using: &generator))
        }
    }

    @Test func gradientsComeInTheOrderOfTheParameters() {
        let stack = Stack.make(depth: 1, width: 3)
        let x = irregular([5, 3])
        let (value, gradients) = valueAndGradients(of: stack) { $0(x).squared().sum() }
        #expect(value.scalar() == stack(x).squared().sum().scalar())
        #expect(!value.isDifferentiated)
        #expect(gradients.tensors.map(\.shape) == stack.parameters.map(\.shape))
        expectGradients(of: stack.parameters) { parameters in
            linear(
                linear(x, weight: parameters[0], bias: parameters[1]).relu(), weight: parameters[2],
                bias: parameters[3]
            ).squared()
        }
        let leaves = stack.parameters.map(\.differentiable)
        let direct = linear(linear(x, weight: leaves[0], bias: leaves[1]).relu(), weight: leaves[2], bias: leaves[3])
            .squared().sum().gradients(for: leaves)
        for (found, expected) in zip(gradients.tensors, direct) { expectClose(found, expected) }
    }

    @Test func aParameterThatIsNotUsedHasAZeroGradient() {
        let stack = Stack.make(depth: 2, width: 3)
        let (_, gradients) = valueAndGradients(of: stack) { $0.layers[1](irregular([2, 3])).sum() }
        #expect(gradients.tensors[0].scalars().allSatisfy { $0 == 0 })
        #expect(gradients.tensors[2].scalars().contains { $0 != 0 })
        #expect(gradients.tensors[4].scalars().allSatisfy { $0 == 0 })
    }

    @Test func buffersGetNoGradient() {
        let (_, gradients) = valueAndGradients(of: BatchNorm(3)) { $0(irregular([2, 2, 2, 3])).squared().sum() }
        #expect(gradients.tensors.count == 2)
    }

    /// In a process of its own, because it counts memory.
    @Test func nothingIsKeptForAFrozenPart() async {
        await #expect(processExitsWith: .success) {
            let stack = Stack.make(depth: 8, width: 256)
            let x = irregular([512, 256])
            func frozenPart() -> Tensor { stack.layers.reduce(x) { $1($0).relu() } }
            _ = frozenPart()  // scratch memory is made once
            let frozen = MemoryMeter.measure {
                valueAndGradients(of: stack.head) { $0(frozenPart()).squared().mean() }
            }
            #expect(frozen.result.gradients.tensors.map(\.shape) == [[4, 256], [4]])
            // Input and output of one layer at a time, then what the head keeps.
            #expect(frozen.peakBytes < 4 * x.byteCount)
            // The head keeps its input and its output; nothing below it is kept.
            let headKeeps = x.byteCount + 512 * 4 * 4
            #expect(frozen.peaks.activations - frozen.start.activations == headKeeps)
            let trained = MemoryMeter.measure { valueAndGradients(of: stack) { $0(x).squared().mean() } }
            #expect(trained.result.gradients.tensors.count == 18)
            #expect(trained.peakBytes > 8 * x.byteCount, "the tape keeps what each trained layer read")
            #expect(trained.peaks.activations >= 8 * x.byteCount)
            let start = MemoryMeter.liveBytes
            _ = valueAndGradients(of: stack) { $0(x).squared().mean() }
            #expect(MemoryMeter.liveBytes == start, "the tape is gone with the value")
        }
    }

    /// In a process of its own, because it counts memory.
    @Test func parametersAndMomentsAreToldApart() async {
        await #expect(processExitsWith: .success) {
            let start = MemoryMeter.live
            var stack = Stack.make(depth: 2, width: 64)
            let parameters = stack.parameters.reduce(0) { $0 + $1.byteCount }
            var (adam, momentum): (any Optimizer, any Optimizer) = (
                AdamW(learningRate: 0.1), SGD(learningRate: 0.1, momentum: 0.9)
            )
            for _ in 0..<2 {
                let x = irregular([8, 64])
                let (_, gradients) = valueAndGradients(of: stack) { $0(x).squared().mean() }
                adam.update(&stack, along: gradients)
                momentum.update(&stack, along: gradients)
            }
            let live = MemoryMeter.live
            // Small tensors take 64 bytes each.
            #expect((parameters...parameters + 6 * 64).contains(live.weights - start.weights))
            #expect((3 * parameters...3 * (parameters + 6 * 64)).contains(live.optimizer - start.optimizer))
            #expect(live.activations == start.activations)
            #expect(adam.state.count == 14 && momentum.state.count == 7)
        }
    }
}

@Suite struct DropoutTests {
    private let ones = Tensor.ones([40, 250])

    @Test func withoutAGeneratorNothingChanges() {
        var none: SeededGenerator?
        #expect(Dropout(0.9)(ones, using: &none).scalars() == ones.scalars())
    }

    @Test(arguments: [Float(0.1), 0.5, 0.9])
    func whatStaysIsScaledSoThatTheMeanStays(probability: Float) {
        var generator: SeededGenerator? = SeededGenerator(seed: 3)
        let dropped = Dropout(probability)(ones, using: &generator).scalars()
        let kept = 1 / (1 - probability)
        #expect(dropped.allSatisfy { $0 == 0 || $0 == kept })
        let share = Float(dropped.filter { $0 == 0 }.count) / Float(dropped.count)
        // Four deviations of the share of zeros among ten thousand.
        #expect(abs(share - probability) < 4 * (probability * (1 - probability)).squareRoot() / 100)
    }

    @Test func oneSeedGivesOneResultAndTheGeneratorMovesOn() {
        var (first, second): (SeededGenerator?, SeededGenerator?) = (SeededGenerator(seed: 3), SeededGenerator(seed: 3))
        let results = (0..<2).map { _ in Dropout(0.5)(ones, using: &first).scalars() }
        #expect(Dropout(0.5)(ones, using: &second).scalars() == results[0])
        #expect(results[0] != results[1])
    }

    @Test func gradientsPassWhereElementsStayed() {
        var generator: SeededGenerator? = SeededGenerator(seed: 3)
        let x = irregular([4, 5]).differentiable
        let dropped = Dropout(0.5)(x, using: &generator)
        let gradient = dropped.sum().gradients(for: [x])[0].scalars()
        #expect(gradient == dropped.scalars().map { $0 == 0 ? 0 : 2 })
    }

    @Test func aProbabilityOfOneIsRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Dropout(1) }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("Dropout: probability 1.0 is outside 0..<1"))
    }
}
