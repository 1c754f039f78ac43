import PandoTensor
import PandoTestSupport
import Testing

/// Frozen programs against the same functions computed operation by operation.
@Suite struct ProgramTests {
    /// A convolutional network in small: norms, activations, depthwise windows, a residual sum, pooling, a classifier.
    static func network(_ x: Tensor) -> [Tensor] {
        func normalized(_ x: Tensor, _ phase: Float) -> Tensor {
            let channels = [x.shape[3]]
            return x.batchNormalized(
                mean: irregular(channels, phase: phase), variance: irregular(channels, phase: phase + 1) + 2,
                weight: irregular(channels, phase: phase + 2) + 1, bias: irregular(channels, phase: phase + 3),
                epsilon: 1e-3)
        }
        let stem = normalized(
            x.convolved(with: irregular([16, 3, 3, 3], phase: 10), stride: 2, padding: Padding(1)), 20
        ).applying(.relu6)
        let wide = normalized(stem.convolved(with: irregular([32, 16, 1, 1], phase: 11)), 30).applying(.relu6)
        let deep = normalized(
            wide.convolved(with: irregular([32, 1, 3, 3], phase: 12), padding: Padding(1), groups: 32), 40
        ).applying(.relu6)
        let sum = normalized(deep.convolved(with: irregular([16, 32, 1, 1], phase: 13) * 0.3), 50) + stem
        let pooled = sum.mean(along: [1, 2])
        let logits = linear(pooled, weight: irregular([5, 16], phase: 14), bias: irregular([5], phase: 15))
        return [pooled, logits, logits.softmax()]
    }

    @Test(arguments: [[1, 32, 32, 3], [3, 17, 23, 3], [2, 1, 1, 3]])
    func aProgramEqualsTheFunctionItWasMadeFrom(shape: [Int]) {
        let program = Program(inputShape: shape, Self.network)
        for phase in [Float(1), 2] {
            let input = irregular(shape, phase: phase)
            for (found, expected) in zip(program(input), Self.network(input)) {
                expectClose(found, expected, relative: 1e-5)
            }
        }
    }

    /// Rows, pixels or samples are shared among threads, also where they do not divide evenly or are too few.
    @Test(arguments: [[1, 32, 32, 3], [1, 17, 23, 3], [3, 17, 23, 3], [1, 3, 3, 3]], [2, 3, 5])
    func severalThreadsComputeTheSame(shape: [Int], threads: Int) {
        let program = Program(inputShape: shape, threads: threads, Self.network)
        for phase in [Float(1), 2, 3] {
            let input = irregular(shape, phase: phase)
            for (found, expected) in zip(program(input), Self.network(input)) {
                expectClose(found, expected, relative: 1e-5)
            }
        }
    }

    @Test(arguments: [(5, 0, 0), (4, 2, 2), (3, 2, 1), (2, 0, 3)])
    func windowsThatReachOutOfABandReadTheRowsBesideIt(kernel: Int, before: Int, after: Int) {
        func function(_ x: Tensor) -> [Tensor] {
            let padding = Padding(before: [before, before], after: [after, after])
            return [1, 2].map { stride in
                x.convolved(
                    with: irregular([6, 1, kernel, kernel]), stride: stride, padding: padding,
                    dilation: 3 - stride, groups: 6
                ).relu()
            }
        }
        for precision in [ElementType.float32, .bfloat16] {
            let input = irregular([1, 19, 13, 6])
            let whole = Program(inputShape: input.shape, precision: precision, function)(input)
            let shared = Program(inputShape: input.shape, precision: precision, threads: 3, function)(input)
            for (found, expected) in zip(shared, whole) { expectClose(found, expected, relative: 1e-5) }
            if precision == .float32 {
                for (found, expected) in zip(whole, function(input)) { expectClose(found, expected, relative: 1e-5) }
            }
        }
    }

    @Test func reducedPrecisionStaysClose() {
        let input = irregular([2, 32, 32, 3])
        let program = Program(inputShape: input.shape, precision: .bfloat16, Self.network)
        for (found, expected) in zip(program(input), Self.network(input)) {
            let difference = zip(found.scalars(), expected.scalars()).map { abs($0 - $1) }.max()!
            let size = expected.absolute().mean().scalar()
            #expect(difference < 0.05 * size + 0.02, "\(difference) against values of about \(size)")
        }
    }

    @Test func valuesThatAreAskedForAreNotFoldedAway() {
        func function(_ x: Tensor) -> [Tensor] {
            let convolved = x.convolved(with: irregular([4, 3, 1, 1], phase: 1))
            let activated = convolved.relu()
            return [convolved, activated, activated + convolved]
        }
        let input = irregular([2, 4, 4, 3])
        for (found, expected) in zip(Program(inputShape: input.shape, function)(input), function(input)) {
            expectClose(found, expected)
        }
    }

    @Test func theInputMayBeTheResidual() {
        func function(_ x: Tensor) -> [Tensor] {
            [(x.convolved(with: irregular([3, 3, 1, 1], phase: 1)) + x).relu() * 2]
        }
        for precision in [ElementType.float32, .bfloat16] {
            let input = irregular([2, 4, 4, 3])
            let found = Program(inputShape: input.shape, precision: precision, function)(input)[0]
            let expected = function(input)[0]
            if precision == .float32 {
                expectClose(found, expected)
            } else {
                #expect((found - expected).absolute().scalars().max()! < 0.05)
            }
        }
    }

    @Test func threadsMayShareAProgram() {
        let program = Program(inputShape: [2, 32, 32, 3], Self.network)
        let inputs = (0..<8).map { irregular([2, 32, 32, 3], phase: Float($0)) }
        let alone = inputs.map { program($0).map { $0.scalars() } }
        Parallel.run(8) { index in
            for _ in 0..<5 { #expect(program(inputs[index]).map { $0.scalars() } == alone[index]) }
        }
    }

    /// Where the residual is what the convolution reads, adding to it in place would change what is still to be read.
    @Test(arguments: [ElementType.float32, .bfloat16], [1, 2])
    func aResidualMayBeWhatTheConvolutionReads(precision: ElementType, threads: Int) {
        func function(_ x: Tensor) -> [Tensor] {
            let wide = x.convolved(with: irregular([64, 3, 1, 1], phase: 1)).relu()
            let full = (wide.convolved(with: irregular([64, 64, 3, 3], phase: 2) * 0.05, padding: Padding(1)) + wide)
                .relu()
            let deep = full.convolved(with: irregular([64, 1, 3, 3], phase: 3), padding: Padding(1), groups: 64) + full
            return [linear(deep.mean(along: [1, 2]), weight: irregular([8, 64], phase: 4))]
        }
        let input = irregular([1, 16, 16, 3])
        let found = Program(inputShape: input.shape, precision: precision, threads: threads, function)(input)[0]
        let difference = worstDifference(found, function(input)[0]).relative
        #expect(difference < (precision == .float32 ? 1e-5 : 0.02))
    }

    @Test func aLinearMapMayAddWhatItReads() {
        func function(_ x: Tensor) -> [Tensor] {
            let wide = linear(x, weight: irregular([64, 3], phase: 1)).relu()
            return [(linear(wide, weight: irregular([64, 64], phase: 2)) + wide).relu() * 2]
        }
        let input = irregular([50, 3])
        expectClose(Program(inputShape: input.shape, function)(input)[0], function(input)[0])
    }

    @Test func comparisonsAndSelectionsFollowTheInput() {
        func function(_ x: Tensor) -> [Tensor] {
            [x.selected(where: x .> Tensor.zeros([1]), otherwise: x * 0.1), (x .== x).cast(to: .float32) + x]
        }
        let input = irregular([3, 5])
        for precision in [ElementType.float32, .bfloat16] {
            let program = Program(inputShape: input.shape, precision: precision, function)
            let rounded = input.cast(to: program.precision).cast(to: .float32)
            for (found, expected) in zip(program(input), function(rounded)) {
                #expect(worstDifference(found, expected).relative < 0.01)
            }
        }
    }

    @Test func constantsOfTheTraceDoNotStay() {
        func function(_ x: Tensor) -> [Tensor] {
            [x.logSumExp(along: 1), (x - x.detached.max(along: 1, keepingAxes: true)).exp()]
        }
        let input = irregular([3, 5]) * 200
        for (found, expected) in zip(Program(inputShape: input.shape, function)(input), function(input)) {
            expectClose(found, expected)
        }
    }

    @Test func anEmptyBatchGivesEmptyResults() {
        let results = Program(inputShape: [0, 8, 8, 3], Self.network)(.zeros([0, 8, 8, 3]))
        #expect(results.map(\.shape) == [[0, 16], [0, 5], [0, 5]])
    }

    @Test(arguments: [1, 2, 3])
    func windowsMaySeeNothingButPadding(threads: Int) {
        func function(_ x: Tensor) -> [Tensor] {
            [x.convolved(with: irregular([4, 3, 3, 3], phase: 1), padding: Padding(4))]
        }
        let input = irregular([1, 5, 5, 3])
        expectClose(Program(inputShape: input.shape, threads: threads, function)(input)[0], function(input)[0])
    }
}
