import Foundation
import PandoTensor
import Testing

/// Our own logarithms against the C library in double precision, relative to each result.
@Suite struct LogarithmTests {
    private static let numbers: [Float] = {
        var numbers: [Float] = [.leastNonzeroMagnitude, .leastNormalMagnitude, .greatestFiniteMagnitude, 1e-40]
        for step in 0..<680 { numbers.append(exp2(Float(step) * 0.37 - 126)) }
        for step in -2000...2000 { numbers.append(1 + Float(step) * 2e-5) }
        for step in 1...50 { numbers.append(1 + Float(step) * Float.ulpOfOne) }
        return numbers
    }()

    private func expectRelative(
        _ found: [Float], _ arguments: [Float], within tolerance: Double, _ expected: (Double) -> Double
    ) {
        for (value, argument) in zip(found, arguments) {
            let right = expected(Double(argument))
            #expect(abs(Double(value) - right) <= tolerance * abs(right), "of \(argument): \(value), expected \(right)")
        }
    }

    @Test func logarithmsArePreciseNearOneAndFarFromIt() {
        expectRelative(Tensor(Self.numbers).log().scalars(), Self.numbers, within: 2e-7) { log($0) }
    }

    @Test func theEndsOfTheRangeAreRight() {
        let values = Tensor([0, -0.0, -1, .infinity, -.infinity, .nan, 1] as [Float]).log().scalars()
        #expect(values[0] == -.infinity && values[1] == -.infinity)
        #expect(values[2].isNaN && values[4].isNaN && values[5].isNaN)
        #expect(values[3] == .infinity && values[6] == 0)
    }

    @Test func softplusIsPreciseWhereItIsSmall() {
        let arguments = (0..<1700).map { Float($0) * 0.0931 - 80 }
        expectRelative(Tensor(arguments).softplus().scalars(), arguments, within: 1e-5) { log1p(exp($0)) }
        let ends = Tensor([1e10, -1e10, .infinity, -.infinity, .nan] as [Float]).softplus().scalars()
        #expect(ends[..<4] == [1e10, 0, .infinity, 0])
        #expect(ends[4].isNaN)
    }

    /// Eight rows of one likely class, which leaves its logarithm next to nothing.
    @Test func logProbabilitiesArePreciseWhereTheyAreSmall() {
        for gap in 1...8 {
            let logits: [Float] = [Float(gap), 0]
            let found = Tensor(logits, shape: [1, 2]).logSoftmax().scalars()
            expectRelative(found, [Float(gap), Float(-gap)], within: 2e-4) { -log1p(exp(-$0)) }
        }
    }
}
