import PandoTensor
import Testing

/// Expects `actual` to equal `expected` up to `relative` times the root mean square of `expected`.
///
/// The tolerance may not exceed one percent of that: a test that would accept a wrong answer is no test.
public func expectClose(
    _ actual: Tensor, _ expected: Tensor, relative: Float = 1e-5, _ what: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(relative <= 0.01, "the tolerance is too wide to tell right from wrong", sourceLocation: sourceLocation)
    guard actual.shape == expected.shape else {
        Issue.record("\(what()): shape \(actual.shape), expected \(expected.shape)", sourceLocation: sourceLocation)
        return
    }
    let difference = worstDifference(actual, expected)
    if !(difference.relative <= relative) {
        Issue.record(
            "\(what()): differs by \(difference.relative) of the RMS at element \(difference.index): \(difference.actual), expected \(difference.expected)",
            sourceLocation: sourceLocation)
    }
}

/// The largest difference, as a share of the root mean square of `expected`; not a number counts as infinitely wrong.
public func worstDifference(_ actual: Tensor, _ expected: Tensor)
    -> (relative: Float, index: Int, actual: Float, expected: Float)
{
    let (found, wanted) = (actual.cast(to: .float32).scalars(), expected.cast(to: .float32).scalars())
    let rms = (wanted.reduce(0) { $0 + Double($1) * Double($1) } / Double(max(wanted.count, 1))).squareRoot()
    let scale = Float(max(rms, 1e-12))
    var worst: (relative: Float, index: Int, actual: Float, expected: Float) = (0, 0, 0, 0)
    for index in wanted.indices where found[index] != wanted[index] {
        let difference = abs(found[index] - wanted[index]) / scale
        if difference.isNaN || difference > worst.relative {
            worst = (difference.isNaN ? .infinity : difference, index, found[index], wanted[index])
        }
    }
    return worst
}

/// Expects the gradients of `sum(function(inputs) · weights)` to match central differences.
///
/// The weights are fixed irregular numbers, so that gradients that cancel or swap are seen.
public func expectGradients(
    of inputs: [Tensor], step: Float = 1e-2, relative: Float = 5e-3, _ what: String = "",
    sourceLocation: SourceLocation = #_sourceLocation, _ function: ([Tensor]) -> Tensor
) {
    let weights = irregular(function(inputs).shape, phase: 99)
    let leaves = inputs.map(\.differentiable)
    let gradients = (function(leaves) * weights).sum().gradients(for: leaves)
    for (position, input) in inputs.enumerated() {
        let values = input.scalars()
        let numeric = values.indices.map { index -> Float in
            func value(_ shift: Float) -> Double {
                var moved = values
                moved[index] += shift
                var arguments = inputs
                arguments[position] = Tensor(moved, shape: input.shape)
                let products = (function(arguments) * weights).scalars()
                return products.reduce(0) { $0 + Double($1) }
            }
            return Float((value(step) - value(-step)) / Double(2 * step))
        }
        expectClose(
            gradients[position], Tensor(numeric, shape: input.shape), relative: relative,
            "\(what) gradient of input \(position)", sourceLocation: sourceLocation)
    }
}

/// Numbers in about -1...1 that repeat no pattern.
public func irregular(_ shape: [Int], phase: Float = 0) -> Tensor {
    var generator = SeededGenerator(seed: UInt64(phase.bitPattern) &+ 7)
    return .uniform(-1..<1, shape, using: &generator)
}
