// The norm over the last axis that leaves the mean alone.

extension Tensor {
    /// `x / √(mean(x²) + ε) · weight` over the last axis.
    ///
    /// - Shapes: `[…, C]`, weight `[C]` → `[…, C]`.
    /// - Source: Zhang and Sennrich 2019 (arXiv:1910.07467), equation 4.
    public func rmsNormalized(weight: Tensor, epsilon: Float) -> Tensor {
        require(
            rank >= 1 && weight.shape == [shape[rank - 1]], "RMS norm: weight \(weight.shape) does not fit input \(shape)")
        requireFloatingPoint("RMS norm")
        let rows = reshaped(shape.dropLast().reduce(1, *), shape[rank - 1])
        return Tensor.applying(RootMeanSquareNormalization(epsilon: epsilon), to: rows, weight).reshaped(shape)
    }
}

/// `x` `[N, C]` and `weight` `[C]` → `[N, C]`.
struct RootMeanSquareNormalization: Operation {
    let epsilon: Float

    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    /// Auxiliaries: the inverse root mean square of each row, `[N]`.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let (rows, width) = (inputs[0].shape[0], inputs[0].shape[1])
        let weight = inputs[1].cast(to: .float32).contiguous()
        var inverses = [Float](repeating: 0, count: rows)
        let output = inputs[0].cast(to: .float32).withScalars { x in
            weight.withScalars { weight in
                Tensor(unsafeUninitialized: [rows, width], of: Float.self) { y in
                    for row in 0..<rows {
                        let start = row * width
                        let square = dotProduct(width) { (x[start + $0], x[start + $0]) }
                        let inverse = 1 / (square / Float(width) + epsilon).squareRoot()
                        inverses[row] = inverse
                        for column in 0..<width { y[start + column] = x[start + column] * inverse * weight[column] }
                    }
                }
            }
        }
        return (output.cast(to: inputs[0].elementType), [Tensor(inverses)])
    }

    /// With `x̂ = x · inverse` and `g` the gradient times the weight: `inverse · (g - x̂ · mean(g · x̂))`.
    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (rows, width) = (saved.inputShapes[0][0], saved.inputShapes[0][1])
        let weight = saved.input(1).cast(to: .float32).scalars()
        let inverses = saved.auxiliaries[0].scalars()
        var towardsWeight = [Float](repeating: 0, count: width)
        let result = saved.input(0).cast(to: .float32).withScalars { x in
            gradient.cast(to: .float32).withScalars { g in
                Tensor(unsafeUninitialized: [rows, width], of: Float.self) { result in
                    for row in 0..<rows {
                        let (start, inverse) = (row * width, inverses[row])
                        let product = dotProduct(width) { (g[start + $0] * weight[$0], x[start + $0]) }
                        let slope = product / Float(width) * inverse * inverse * inverse
                        for column in 0..<width {
                            let (value, slopeHere) = (x[start + column], g[start + column])
                            result[start + column] = slopeHere * weight[column] * inverse - value * slope
                            towardsWeight[column] += slopeHere * value * inverse
                        }
                    }
                }
            }
        }
        return [
            saved.wanted[0] ? result.cast(to: gradient.elementType) : nil,
            saved.wanted[1] ? Tensor(towardsWeight) : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .some([0, 1]) }
}

/// The sum of products of `pairs(0)`, `pairs(1)`, … up to `count`, eight at a time.
@inline(__always)
private func dotProduct(_ count: Int, _ pairs: (Int) -> (Float, Float)) -> Float {
    var sums = SIMD8<Float>()
    for first in stride(from: 0, to: count - 7, by: 8) {
        for lane in 0..<8 {
            let (left, right) = pairs(first + lane)
            sums[lane] += left * right
        }
    }
    var sum = sums.sum()
    for index in count / 8 * 8..<count {
        let (left, right) = pairs(index)
        sum += left * right
    }
    return sum
}
