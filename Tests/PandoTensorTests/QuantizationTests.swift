import Foundation
import PandoTestSupport
import Testing

@testable import PandoTensor

/// Frozen programs with layers in 8-bit integers.
@Suite struct QuantizationTests {
    /// Layers that read pictures, values of one sign, of both signs, and maps summed with earlier ones.
    static func perceptron(_ x: Tensor) -> [Tensor] {
        let wide = linear(x, weight: irregular([48, 20], phase: 1), bias: irregular([48], phase: 2)).gelu()
        let again = linear(wide, weight: irregular([48, 48], phase: 3) * 0.2, bias: irregular([48], phase: 4)) + wide
        return [linear(again.relu(), weight: irregular([7, 48], phase: 5))]
    }

    /// How far apart two results are, as a share of the expected one's size.
    private func difference(_ found: Tensor, _ expected: Tensor) -> Float {
        let error = (found - expected).applying(.square).mean().scalar()
        return (error / expected.applying(.square).mean().scalar()).squareRoot()
    }

    private func batches(_ shape: [Int], count: Int = 3) -> [Tensor] {
        (0..<count).map { irregular(shape, phase: Float($0)) }
    }

    /// What a quantized program is to compute here: without 8-bit products, programs do not quantize.
    private func expected(_ quantization: Quantization, _ input: Tensor, _ function: (Tensor) -> [Tensor]) throws
        -> [Tensor]
    {
        Processor.hasNativeInt8 ? try quantization.simulated(on: input, function) : function(input)
    }

    // MARK: - Numbers as 8-bit integers

    @Test func weightsAreRoundedToTheNearestStepOfTheirChannel() {
        let weights = Tensor([0.5, -1.27, 0.0049, 0, 0, 0, 300, -90, 1.2] as [Float], shape: [3, 3])
        let encoded = EncodedWeights(weights)
        #expect(encoded.stored.scalars(as: Int8.self) == [50, -127, 0, 0, 0, 0, 127, -38, 1])
        expectClose(encoded.scales, Tensor([0.01, 1, 300 / 127] as [Float]), relative: 1e-6)
        expectClose(
            encoded.decoded.slice(0..<1), Tensor([0.5, -1.27, 0] as [Float], shape: [1, 3]), relative: 1e-6)
    }

    @Test func anEncodingIsUnsignedWhereNoValueIsNegative() {
        let unsigned = Encoding(ActivationRange(lower: 0, upper: 51), allowingZeroPoint: false)
        #expect(unsigned.type == .uint8 && unsigned.zeroPoint == 0)
        #expect(unsigned.rounded(Tensor([0, 0.09, 0.11, 50.95, 60, -3] as [Float])).scalars().map { ($0 * 5).rounded() }
            == [0, 0, 1, 255, 255, 0])
        let signed = Encoding(ActivationRange(lower: -12.7, upper: 10), allowingZeroPoint: true)
        #expect(signed.type == .int8 && abs(signed.scale - 0.1) < 1e-6)
        #expect(signed.rounded(Tensor([0.04, 0.06, -12.7, 40, -40] as [Float])).scalars().map { ($0 * 10).rounded() }
            == [0, 1, -127, 127, -128])
        let shifted = Encoding(ActivationRange(lower: -0.5, upper: 25), allowingZeroPoint: true)
        #expect(shifted.type == .uint8 && shifted.zeroPoint == 5)
        #expect(shifted.rounded(Tensor([0, -0.5, -9, 25] as [Float])).scalars().map { ($0 * 10).rounded() }
            == [0, -5, -5, 250])
        #expect(Encoding(ActivationRange(lower: 0, upper: 0), allowingZeroPoint: true).scale == 1)
    }

    private func histogram(_ values: Tensor) -> ActivationHistogram {
        var limits = ChannelLimits()
        limits.widen(by: values.reshaped(-1, 1))
        var histogram = ActivationHistogram(limits.range(dividedBy: nil))
        histogram.count(values)
        return histogram
    }

    @Test func rangesLeaveOutWhatTheMethodSays() {
        let values = (0..<10_000).map { Float($0) / 100 } + [4000]
        let histogram = histogram(Tensor(values))
        #expect(histogram.range == ActivationRange(lower: 0, upper: 4000))
        let most = histogram.range(holding: 99.9)
        #expect(most.lower == 0 && abs(most.upper - 99.9) < 2)
        let middle = self.histogram(Tensor(values.map { $0 - 50 })).range(holding: 90)
        #expect(abs(middle.lower + 45) < 2 && abs(middle.upper - 45) < 2)

        // Squared errors: clipping one value of 400 costs less than a coarse step for ten thousand others.
        let far = Tensor((0..<1_000_000).map { Float($0 % 10_000) / 100 } + [400])
        let third = self.histogram(far)
        let best = third.rangeOfLeastError(allowingZeroPoint: false)
        #expect(best.upper < 399 && best.upper > 99)
        func error(_ range: ActivationRange) -> Float {
            (Encoding(range, allowingZeroPoint: false).rounded(far) - far).applying(.square).mean().scalar()
        }
        #expect(error(best) < error(third.range))
    }

    /// One channel a thousand times as large as the others would leave them almost no steps.
    @Test func channelsOfVeryDifferentSizesAreBalanced() throws {
        let sizes = Tensor((0..<16).map { $0 == 3 ? 1000 : Float(1) })
        func function(_ x: Tensor) -> [Tensor] { [linear(x, weight: irregular([8, 16], phase: 1) / sizes)] }
        let input = irregular([64, 16]) * sizes
        let quantization = try Quantization.calibrated(on: [input], by: .minMax, maximumLoss: 1, function)
        #expect(quantization.layers[0].factors?.count == 16 && quantization.loss < 1e-3)
        let program = try Program(inputShape: input.shape, precision: .float32, quantization: quantization, function)
        expectClose(program(input)[0], try expected(quantization, input, function)[0], relative: 0.01)
        #expect(difference(program(input)[0], function(input)[0]) < 0.03)
    }

    // MARK: - Programs

    /// A single layer rounds nothing twice, so that the program and its simulation agree to the last bits.
    @Test(arguments: [1, 3], [ElementType.float32, .bfloat16])
    func aLayerEqualsItsSimulation(groups: Int, precision: ElementType) throws {
        func function(_ x: Tensor) -> [Tensor] {
            [
                x.convolved(
                    with: irregular([12, 6 / groups, 3, 3], phase: 1), bias: irregular([12], phase: 2), stride: 2,
                    padding: Padding(1), groups: groups)
            ]
        }
        for batch in [irregular([2, 9, 11, 6]), irregular([2, 9, 11, 6]).absolute()] {
            let quantization = try Quantization.calibrated(on: [batch], by: .minMax, maximumLoss: 1, function)
            let program = try Program(
                inputShape: batch.shape, precision: precision, quantization: quantization, function)
            #expect(program.isQuantized == Processor.hasNativeInt8)
            let tolerance: Float = program.precision == .float32 ? 1e-5 : 0.02
            for (found, expected) in zip(program(batch), try expected(quantization, batch, function)) {
                #expect(worstDifference(found, expected).relative < tolerance)
            }
        }
    }

    @Test(arguments: [Quantization.Method.minMax, .percentile(99.9), .meanSquaredError], [1, 3])
    func aNetworkStaysCloseToItsSimulation(method: Quantization.Method, threads: Int) throws {
        for (shape, function) in [
            ([2, 32, 32, 3], ProgramTests.network), ([1, 17, 23, 3], ProgramTests.network), ([9, 20], Self.perceptron),
        ] {
            let batches = batches(shape)
            let quantization = try Quantization.calibrated(on: batches, by: method, maximumLoss: 1, function)
            #expect(quantization.keptLayers.isEmpty && quantization.loss < 0.01)
            let program = try Program(
                inputShape: shape, precision: .float32, quantization: quantization, threads: threads, function)
            for batch in batches {
                for (found, expected) in zip(program(batch), try expected(quantization, batch, function)) {
                    // A value at the border between two steps may fall to either side.
                    #expect(difference(found, expected) < 0.01)
                }
                for (found, exact) in zip(program(batch), function(batch)) { #expect(difference(found, exact) < 0.2) }
            }
        }
    }

    @Test func theRestMayBeBFloat16AndTheBatchMayGrow() throws {
        let quantization = try Quantization.calibrated(on: batches([1, 32, 32, 3]), ProgramTests.network)
        for count in [0, 1, 5] {
            let input = irregular([count, 32, 32, 3], phase: 1)
            let program = try Program(inputShape: input.shape, quantization: quantization, ProgramTests.network)
            for (found, expected) in zip(program(input), ProgramTests.network(input)) {
                #expect(found.shape == expected.shape)
                if count > 0 { #expect(difference(found, expected) < 0.2) }
            }
        }
    }

    /// Projections that attention reads where they stand, norms, sums across reshapes, a mask as an input of its own.
    @Test(arguments: [1, 3])
    func aTransformerStaysCloseToItsSimulation(threads: Int) throws {
        @Sendable func function(_ values: [Tensor]) -> [Tensor] {
            let middle = TransformerProgramTests.encoderLayer(values[0], mask: values[1])
            return [TransformerProgramTests.encoderLayer(middle, mask: values[1]).mean(along: [1])]
        }
        let batches = (0..<3).map { phase in
            [irregular([3, 10, 24], phase: Float(phase)), irregular([3, 1, 1, 10], phase: Float(phase) + 7)]
        }
        let quantization = try Quantization.calibrated(on: batches, function)
        // Queries, keys and values are one product.
        #expect(quantization.layers.count == 8 && quantization.keptLayers.isEmpty)
        let inputs = batches[0].map { Program.Input(shape: $0.shape, type: .float32) }
        let program = try Program(
            inputs: inputs, precision: .float32, quantization: quantization, threads: threads, function)
        for batch in batches {
            let exact = function(batch)[0]
            let simulated = Processor.hasNativeInt8 ? try quantization.simulated(on: batch, function)[0] : exact
            #expect(difference(program(batch)[0], simulated) < 0.01)
            #expect(difference(program(batch)[0], exact) < 0.1)
        }
        let cache = ProgramCache(precision: .float32, quantization: quantization, function)
        #expect(cache(batches[0])[0].scalars() == program(batches[0])[0].scalars())
    }

    @Test func withoutAMethodTheBetterOneIsTaken() throws {
        let batches = batches([2, 32, 32, 3])
        let losses = try [Quantization.Method.minMax, .meanSquaredError].map {
            try Quantization.calibrated(on: batches, by: $0, maximumLoss: 1, ProgramTests.network)
        }
        let chosen = try Quantization.calibrated(on: batches, maximumLoss: 1, ProgramTests.network)
        #expect(chosen == losses.min { $0.loss < $1.loss })
    }

    @Test func runsAndThreadsGiveTheSameBits() throws {
        let input = irregular([1, 32, 32, 3])
        let quantization = try Quantization.calibrated(on: [input], ProgramTests.network)
        #expect(try Quantization.calibrated(on: [input], ProgramTests.network) == quantization)
        let results = try [1, 1, 2, 3].map { threads in
            try Program(inputShape: input.shape, quantization: quantization, threads: threads, ProgramTests.network)(
                input
            ).map { $0.scalars() }
        }
        for result in results { #expect(result == results[0]) }
    }

    /// Integer sums must not saturate at 16 bits, whatever the processor.
    @Test func theLargestValuesAddUpExactly() throws {
        func function(_ x: Tensor) -> [Tensor] { [linear(x, weight: .ones([32, 256]))] }
        for sign in [Float(1), -1] {
            let input = Tensor.ones([4, 256]) * sign
            let quantization = try Quantization.calibrated(on: [input], by: .minMax, maximumLoss: 1, function)
            let program = try Program(inputShape: input.shape, precision: .float32, quantization: quantization, function)
            expectClose(program(input)[0], .filled([4, 32], with: 256 * sign), relative: 1e-5)
        }
    }

    // MARK: - Loss

    /// A convolution that reads channels of very different sizes, of which only the small ones matter.
    static func delicate(_ x: Tensor) -> [Tensor] {
        let scale = Tensor((0..<24).map { $0 == 0 ? 500 : Float(0.05) })
        let map = x.reshaped(x.shape[0], 1, 1, 16)
        let first = map.convolved(with: irregular([24, 16, 1, 1], phase: 1)) * scale
        let weight = irregular([24, 24, 1, 1], phase: 2) / scale.reshaped(1, 24, 1, 1)
        let second = first.convolved(with: weight).tanh().reshaped(x.shape[0], 24)
        return [linear(second, weight: irregular([5, 24], phase: 3))]
    }

    @Test func layersThatLoseMostAreKeptUntilTheLossIsMet() throws {
        let batches = batches([16, 16])
        let all = try Quantization.calibrated(on: batches, by: .minMax, maximumLoss: 1, Self.delicate)
        #expect(all.keptLayers.isEmpty && all.loss > 0.01)
        let bound: Float = 1e-3
        let careful = try Quantization.calibrated(on: batches, by: .minMax, maximumLoss: bound, Self.delicate)
        #expect(careful.keptLayers == [1] && careful.loss <= bound)
        let losses = careful.layers.map { $0.lossAlone ?? .nan }
        #expect(losses[1] == losses.max() && losses[0] > 0 && losses[2] > 0)
        let program = try Program(inputShape: [16, 16], precision: .float32, quantization: careful, Self.delicate)
        for batch in batches {
            #expect(difference(program(batch)[0], Self.delicate(batch)[0]) < (2 * bound).squareRoot() * 1.5)
        }
        let exact = try Quantization.calibrated(on: batches, maximumLoss: 0, Self.delicate)
        #expect(exact.keptLayers == [0, 1, 2] && exact.loss == 0)
        let plain = try Program(inputShape: [16, 16], precision: .float32, quantization: exact, Self.delicate)
        #expect(!plain.isQuantized)
        expectClose(plain(batches[0])[0], Self.delicate(batches[0])[0], relative: 1e-5)
    }

    // MARK: - Files and refusals

    @Test func aQuantizationSurvivesStorage() throws {
        let quantization = try Quantization.calibrated(on: batches([4, 20]), Self.perceptron).keeping([1])
        let stored = try JSONEncoder().encode(quantization)
        #expect(try JSONDecoder().decode(Quantization.self, from: stored) == quantization)
        #expect(quantization.keptLayers == [1])
    }

    @Test func calibrationNeedsData() {
        for batches in [[], [Tensor.zeros([0, 20])]] {
            #expect(throws: QuantizationError.noData) {
                try Quantization.calibrated(on: batches, Self.perceptron)
            }
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func calibrationDataMustBeFinite(value: Float) {
        let input = Tensor([value] + [Float](repeating: 1, count: 19), shape: [1, 20])
        #expect(throws: QuantizationError.nonFiniteInput(layer: 0, name: "linear [48, 20]")) {
            try Quantization.calibrated(on: [irregular([1, 20]), input], Self.perceptron)
        }
    }

    @Test func anotherFunctionsQuantizationIsRefused() throws {
        func other(_ x: Tensor) -> [Tensor] { Self.perceptron(x * 1).map { linear($0, weight: .ones([1, 7])) } }
        func reweighted(_ x: Tensor) -> [Tensor] { [linear(x, weight: irregular([48, 20], phase: 8))] }
        let quantization = try Quantization.calibrated(on: batches([4, 20]), Self.perceptron)
        let single = try Quantization.calibrated(on: batches([4, 20])) { [linear($0, weight: irregular([48, 20]))] }
        for (quantization, function) in [(quantization, other), (single, reweighted)] {
            #expect {
                try Program(inputShape: [4, 20], quantization: quantization, function)
            } throws: { error in
                if case .otherFunction? = error as? QuantizationError { true } else { false }
            }
        }
    }

    @Test func aStoredRangeMustBeARange() throws {
        let quantization = try Quantization.calibrated(on: batches([4, 20]), Self.perceptron)
        let broken = Quantization(
            method: .minMax,
            layers: quantization.layers.map {
                Quantization.Layer(name: $0.name, range: ActivationRange(lower: 2, upper: 1))
            }, loss: 0, fingerprint: quantization.fingerprint)
        #expect(throws: QuantizationError.invalidRange(layer: 0, lower: 2, upper: 1)) {
            try Program(inputShape: [4, 20], quantization: broken, Self.perceptron)
        }
        for factors in [[Float](repeating: 1, count: 19), [Float](repeating: 0, count: 20)] {
            let broken = Quantization(
                method: .minMax,
                layers: quantization.layers.map {
                    Quantization.Layer(name: $0.name, range: $0.range, factors: factors)
                }, loss: 0, fingerprint: quantization.fingerprint)
            #expect(throws: QuantizationError.invalidFactors(layer: 0)) {
                try Program(inputShape: [4, 20], quantization: broken, Self.perceptron)
            }
        }
    }
}
