// Logarithms of our own: oneDNN's is off by up to 7e-6 whatever the result's size, which near log 1 = 0 leaves no
// digit right, and its softplus and log-softmax inherit that.

import Glibc

extension Tensor {
    /// The natural logarithm of every element of a `float32` tensor, within two units in the last place.
    func naturalLogarithm() -> Tensor { mapped { naturalLogarithmOf($0) } }

    /// `log(1 + eˣ)` of every element of a `float32` tensor, precise for small results too.
    func softplusValues() -> Tensor {
        let tail = Elementwise(function: .exp).forward([mapped { -magnitude($0) }])  // e^-|x|, never above 1
        // log(1 + t): what rounding 1 + t loses is put back to first order.
        let logarithm = tail.mapped { tail in
            let sum = 1 + tail
            return naturalLogarithmOf(sum) + (tail - (sum - 1)) / sum
        }
        return combine(self, logarithm) { $0 > 0 ? $0 + $1 : ($0.isNaN ? $0 : $1) }
    }

    /// `x - log Σ exp(x)` over the middle one of three axes of a contiguous `float32` tensor.
    ///
    /// The largest element's `probability` p says what the sum is: `log Σ exp(x) = max - log p`.
    func logProbabilities(from probabilities: Tensor, _ before: Int, _ width: Int, _ after: Int) -> Tensor {
        withScalars { values in
            probabilities.withScalars { shares in
                Tensor(unsafeUninitialized: shape, of: Float.self) { output in
                    for outer in 0..<before {
                        for inner in 0..<after {
                            let start = outer * width * after + inner
                            var best = start
                            for place in stride(from: start, to: start + width * after, by: after)
                            where values[place] > values[best] { best = place }
                            let (largest, share) = (values[best], logf(shares[best]))
                            for place in stride(from: start, to: start + width * after, by: after) {
                                output[place] = (values[place] - largest) + share
                            }
                        }
                    }
                }
            }
        }
    }

    @inline(__always)
    private func mapped(_ function: (SIMD8<Float>) -> SIMD8<Float>) -> Tensor {
        withScalars { source in
            Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                let (from, to) = (UnsafeRawBufferPointer(source), UnsafeMutableRawBufferPointer(target))
                let step = MemoryLayout<SIMD8<Float>>.size
                let whole = from.count / step * step
                for offset in stride(from: 0, to: whole, by: step) {
                    let result = function(from.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self))
                    to.storeBytes(of: result, toByteOffset: offset, as: SIMD8<Float>.self)
                }
                var rest = SIMD8<Float>(repeating: 1)
                for index in whole / 4..<source.count { rest[index - whole / 4] = source[index] }
                rest = function(rest)
                for index in whole / 4..<source.count { target[index] = rest[index - whole / 4] }
            }
        }
    }
}

/// `x = m · 2ⁿ` with `m` around 1, and `log m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …)` for `s = (m - 1) / (m + 1)`.
@inline(__always)
private func naturalLogarithmOf(_ x: SIMD8<Float>) -> SIMD8<Float> {
    // Numbers too small to be normal are scaled up first.
    let isSmall = x .< Float.leastNormalMagnitude
    let scaled = x.replacing(with: x * 0x1p24, where: isSmall)
    // 0x3F3504F3 is √½: the mantissa comes to lie in √½ ..< √2.
    let half = SIMD8<Int32>(repeating: 0x3F35_04F3)
    let shifted = unsafeBitCast(scaled, to: SIMD8<Int32>.self) &- half
    let mantissa = unsafeBitCast((shifted & 0x007F_FFFF) &+ half, to: SIMD8<Float>.self)
    // A whole number added to the bits of 1.5 · 2²³ stands in its last places.
    let counted = unsafeBitCast((shifted &>> 23) &+ 0x4B40_0000, to: SIMD8<Float>.self) - 0x1.8p23
    let exponent = counted.replacing(with: counted - 24, where: isSmall)
    let difference = mantissa - 1  // exact
    let ratio = difference / (2 + difference)
    let square = ratio * ratio
    let series = square * (0.666_666_67 + square * (0.4 + square * (0.285_714_29 + square * 0.222_222_22)))
    // 2s = f - s f, so that the leading term is exact.
    let logarithm = difference - ratio * (difference - series)
    // log 2 in two parts, the first short enough for an exact product.
    let result = exponent * 0.693_145_75 + (logarithm + exponent * 1.428_606_8e-06)
    return
        result
        .replacing(with: x, where: x .== .infinity)
        .replacing(with: -.infinity, where: x .== 0)
        .replacing(with: .nan, where: .!(x .>= 0))
}

@inline(__always)
private func magnitude(_ x: SIMD8<Float>) -> SIMD8<Float> {
    unsafeBitCast(unsafeBitCast(x, to: SIMD8<UInt32>.self) & 0x7FFF_FFFF, to: SIMD8<Float>.self)
}
