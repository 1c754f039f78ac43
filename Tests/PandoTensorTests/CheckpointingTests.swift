import PandoTensor
import PandoTestSupport
import Testing

/// Values computed again for the backward pass instead of being kept.
@Suite struct CheckpointingTests {
    /// Two layers with a residual sum, as a function of the input and of captured weights.
    @Sendable private static func block(_ x: Tensor, _ weights: [Tensor]) -> Tensor {
        x + linear(linear(x, weight: weights[0], bias: weights[1]).gelu(), weight: weights[2], bias: weights[3])
    }

    private static func weights(_ width: Int) -> [Tensor] {
        [[2 * width, width], [2 * width], [width, 2 * width], [width]].enumerated()
            .map { irregular($1, phase: Float($0)) * 0.3 }
    }

    private static func gradients(_ blocks: Int, width: Int, rows: Int, checkpointing: Bool) -> [[Float]] {
        let x = irregular([rows, width], phase: 9).differentiable
        let leaves = (0..<blocks).map { _ in weights(width).map(\.differentiable) }
        let output = leaves.reduce(x) { x, weights in
            checkpointing ? checkpointed(x) { block($0, weights) } : block(x, weights)
        }
        return output.squared().sum().gradients(for: [x] + leaves.flatMap(\.self)).map { $0.scalars() }
    }

    @Test(arguments: [(1, 1), (3, 5), (8, 0)])
    func gradientsAreTheSameBitForBit(width: Int, rows: Int) {
        let plain = Self.gradients(3, width: width, rows: rows, checkpointing: false)
        #expect(Self.gradients(3, width: width, rows: rows, checkpointing: true) == plain)
    }

    @Test func fewerActivationsAreKept() async {
        await #expect(processExitsWith: .success) {
            _ = Self.gradients(1, width: 64, rows: 512, checkpointing: false)
            let plain = MemoryMeter.measure { Self.gradients(6, width: 64, rows: 512, checkpointing: false) }
            let again = MemoryMeter.measure { Self.gradients(6, width: 64, rows: 512, checkpointing: true) }
            #expect(plain.result == again.result)
            let released = MemoryMeter.measure {
                let x = irregular([512, 64], phase: 9)
                let leaves = (0..<6).map { _ in Self.weights(64).map(\.differentiable) }
                let output = leaves.reduce(x) { x, weights in checkpointed(x) { Self.block($0, weights) } }
                return output.squared().sum().gradients(for: leaves.flatMap(\.self), releasing: true).count
            }
            #expect(released.result == 24)
            #expect(released.peakBytes < again.peakBytes, "what a block began with goes once it was used")
            // Input, two values twice as wide and what the loss reads, against the input alone.
            #expect(again.peaks.activations * 2 < plain.peaks.activations)
            #expect(again.peakBytes < plain.peakBytes)
        }
    }

    @Test func checkpointsLieWithinEachOther() {
        let weights = Self.weights(4)
        let x = irregular([3, 4])
        func gradients(_ function: (Tensor, [Tensor]) -> Tensor) -> [[Float]] {
            let leaves = ([x] + weights).map(\.differentiable)
            return function(leaves[0], Array(leaves[1...])).squared().sum().gradients(for: leaves).map { $0.scalars() }
        }
        let nested = gradients { x, weights in
            checkpointed(x) { x in checkpointed(x * 2) { Self.block($0, weights) } + x }
        }
        #expect(nested == gradients { Self.block($0 * 2, $1) + $0 })
    }

    @Test func aValueGivenTwiceGetsItsGradientOnce() {
        let (x, factor) = (Tensor([3] as [Float]).differentiable, Tensor([5] as [Float]))
        let output = checkpointed([x, x, factor]) { $0[0] * $0[1] * $0[2] }
        #expect(output.gradients(for: [x])[0].scalar() == 30)
        #expect(output.gradients(for: [x])[0].scalar() == 30, "and again, while the tape is there")
    }

    @Test func lanesMayComputeCheckpoints() {
        let weight = irregular([4, 4]).differentiable
        let x = irregular([6, 4], phase: 1)
        func gradient(checkpointing: Bool) -> [Float] {
            let parts = inLanes(2) { lane in
                let rows = x.slice(lane.share(of: 6))
                let output = checkpointing
                    ? checkpointed(rows) { matmul($0, weight).tanh() } : matmul(rows, weight).tanh()
                return output.squared().sum()
            }
            return (parts[0] + parts[1]).gradients(for: [weight])[0].scalars()
        }
        #expect(gradient(checkpointing: true) == gradient(checkpointing: false))
    }

    @Test func aValueFromTheOuterTapeMayBeCaptured() {
        let x = Tensor([3] as [Float]).differentiable
        let square = x * x
        let output = checkpointed(x) { $0 * square }
        #expect(output.scalar() == 27)
        #expect(output.gradients(for: [x])[0].scalar() == 27)
    }

    @Test func randomNumbersAreDrawnAgain() {
        let x = irregular([64]).differentiable
        @Sendable func drop(_ x: Tensor, _ generator: inout SeededGenerator) -> Tensor {
            x.droppedOut(0.5, using: &generator).squared()
        }
        var (plain, replayed) = (SeededGenerator(seed: 4), SeededGenerator(seed: 4))
        let expected = drop(x, &plain)
        let output = checkpointed(x, using: &replayed) { drop($0, &$1) }
        #expect(output.scalars() == expected.scalars())
        #expect(replayed == plain, "the generator moves on once")
        #expect(
            output.sum().gradients(for: [x])[0].scalars() == expected.sum().gradients(for: [x])[0].scalars())
        let start = SeededGenerator(seed: 4)
        let captured = checkpointed(x) { x in
            var generator = start
            return drop(x, &generator)
        }
        #expect(
            captured.sum().gradients(for: [x])[0].scalars() == expected.sum().gradients(for: [x])[0].scalars())
    }

    @Test func whatIsNotDifferentiatedLeavesNoTape() {
        let x = irregular([3])
        #expect(!checkpointed(x) { $0 * 2 }.isDifferentiated)
        let leaf = x.differentiable
        #expect(!checkpointed(leaf) { $0.detached * 2 }.isDifferentiated)
        #expect(checkpointed(leaf) { $0 }.gradients(for: [leaf], seed: x)[0].scalars() == x.scalars())
    }

    @Test func differentiatingWithinWorks() {
        let x = Tensor([3] as [Float]).differentiable
        let output = checkpointed(x) { x in
            let inner = Tensor([2] as [Float]).differentiable
            return x * (inner * inner).gradients(for: [inner])[0]
        }
        #expect(output.scalar() == 12)
        #expect(output.gradients(for: [x])[0].scalar() == 4)
    }

    @Test func aProgramComputesWhatWasCheckpointed() {
        let weights = Self.weights(4)
        let program = Program(inputShape: [2, 4]) { x in [checkpointed(x) { Self.block($0, weights) }] }
        let x = irregular([2, 4])
        expectClose(program(x)[0], Self.block(x, weights))
    }

    @Test func gradientsOfSeveralInputsMatchCentralDifferences() {
        expectGradients(of: [irregular([2, 3]), irregular([3], phase: 1)]) { inputs in
            checkpointed(inputs) { ($0[0] * $0[1]).tanh() }
        }
    }
}
