// Elementary functions of eight numbers at once, for what oneDNN lacks or computes with few digits near zero.

typealias Floats = SIMD8<Float>

extension Tensor {
    /// `function` of every element of a `float32` tensor.
    @inline(__always)
    func mapped(_ function: (Floats) -> Floats) -> Tensor {
        withScalars { source in
            Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                let (from, to) = (UnsafeRawBufferPointer(source), UnsafeMutableRawBufferPointer(target))
                let step = MemoryLayout<Floats>.size
                let whole = from.count / step * step
                for offset in stride(from: 0, to: whole, by: step) {
                    let result = function(from.loadUnaligned(fromByteOffset: offset, as: Floats.self))
                    to.storeBytes(of: result, toByteOffset: offset, as: Floats.self)
                }
                var rest = Floats(repeating: 1)
                for index in whole / 4..<source.count { rest[index - whole / 4] = source[index] }
                rest = function(rest)
                for index in whole / 4..<source.count { target[index] = rest[index - whole / 4] }
            }
        }
    }
}

/// `x = m · 2ⁿ` with `m` around 1, and `log m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …)` for `s = (m - 1) / (m + 1)`;
/// within two units in the last place.
@inline(__always)
func logarithm(_ x: Floats) -> Floats {
    // Numbers too small to be normal are scaled up first.
    let isSmall = x .< Float.leastNormalMagnitude
    let scaled = x.replacing(with: x * 0x1p24, where: isSmall)
    // 0x3F3504F3 is √½: the mantissa comes to lie in √½ ..< √2.
    let half = SIMD8<Int32>(repeating: 0x3F35_04F3)
    let shifted = unsafeBitCast(scaled, to: SIMD8<Int32>.self) &- half
    let mantissa = unsafeBitCast((shifted & 0x007F_FFFF) &+ half, to: Floats.self)
    // A whole number added to the bits of 1.5 · 2²³ stands in its last places.
    let counted = unsafeBitCast((shifted &>> 23) &+ 0x4B40_0000, to: Floats.self) - 0x1.8p23
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

/// `log(1 + x)`: what rounding `1 + x` loses is put back to first order.
@inline(__always)
func logarithmOfOnePlus(_ x: Floats) -> Floats {
    let sum = 1 + x
    let lost = (x - (sum - 1)) / sum
    // At both ends the correction is no number: infinity over infinity, and a division by zero.
    return logarithm(sum) + lost.replacing(with: 0, where: (sum .== 0) .| (sum .== .infinity))
}

/// `eˣ - 1`, precise near zero: `2ⁿ (eʳ - 1) + (2ⁿ - 1)` with `x = n log 2 + r`.
@inline(__always)
func exponentialLessOne(_ x: Floats) -> Floats {
    let held = x.replacing(with: -80, where: x .< -80).replacing(with: 89, where: x .> 89)
    let count = nearest(held * 1.442_695_04)
    let rest = held - count * 0.693_145_75 - count * 1.428_606_8e-06
    let tail = rest * (0.008_333_297_4 + rest * (0.001_393_454_5 + rest * 0.000_199_004_44))
    let series = 0.5 + rest * (0.166_666_67 + rest * (0.041_666_456 + tail))
    let part = rest + rest * rest * series
    // Half of 2ⁿ, so that the largest result does not overflow on its way.
    let bits = unsafeBitCast(count + 0x1.8p23, to: SIMD8<Int32>.self) &- 0x4B40_0000
    let power = unsafeBitCast((bits &+ 126) &<< 23, to: Floats.self)
    let result = 2 * (power * part + (power - 0.5))
    return
        result
        .replacing(with: .infinity, where: x .> 88.722_84)
        .replacing(with: x, where: x .!= x)
}

/// The nearest whole number, halves to the even one.
@inline(__always)
func nearest(_ x: Floats) -> Floats {
    // Numbers from 2²³ on are whole.
    let rounded = ((magnitude(x) + 0x1p23) - 0x1p23)
    let signed = unsafeBitCast(unsafeBitCast(rounded, to: SIMD8<UInt32>.self) | signBits(x), to: Floats.self)
    return signed.replacing(with: x, where: .!(magnitude(x) .< 0x1p23))
}

/// The largest whole number not above `x`.
@inline(__always)
func floor(_ x: Floats) -> Floats {
    let whole = nearest(x)
    return whole.replacing(with: whole - 1, where: whole .> x)
}

/// The error function `2/√π ∫₀ˣ e^-t² dt`: an odd polynomial up to 1, `1 - exp(-x p(x))` beyond.
///
/// Both polynomials are least-squares fits at Chebyshev points; within 1.7e-7 relative.
@inline(__always)
func errorFunction(_ x: Floats) -> Floats {
    let square = x * x
    let last = square * (0.005_189_312_2 + square * (-0.000_801_885_5 + square * 7.882_497_4e-05))
    let inner = square * (0.112_835_974 + square * (-0.026_854_329 + last))
    let near = x * (1.128_379_1 + square * (-0.376_126_26 + inner))
    let size = magnitude(x).replacing(with: 4, where: magnitude(x) .> 4)
    let end = size * (-1.205_976_4e-05 + size * (4.359_436e-06 - size * 2.677_63e-07))
    let tail = size * (-0.024_004_545 + size * (0.003_666_045_6 + size * (-0.000_277_515_88 + end)))
    let far = 0 - exponentialLessOne(0 - size * (1.128_726_8 + size * (0.634_862 + size * (0.106_640_56 + tail))))
    let signed = unsafeBitCast(unsafeBitCast(far, to: SIMD8<UInt32>.self) | signBits(x), to: Floats.self)
    return near.replacing(with: signed, where: magnitude(x) .> 1)
}

/// The cube root: a third of the exponent as a first guess, then Halley's iteration.
@inline(__always)
func cubeRoot(_ x: Floats) -> Floats {
    // Numbers too small to be normal are scaled up by 2²⁴, their roots down by 2⁸.
    let isSmall = magnitude(x) .< Float.leastNormalMagnitude
    let size = magnitude(x).replacing(with: magnitude(x) * 0x1p24, where: isSmall)
    // Two thirds of the exponent's offset of 127 are missing then.
    let third = unsafeBitCast(size, to: SIMD8<UInt32>.self) / 3 &+ 0x2A55_5555
    var root = unsafeBitCast(third, to: Floats.self)
    for _ in 0..<2 {
        // As ratios of about 1: cubes of large numbers would overflow.
        let excess = root * root / size * root
        root = root * (excess + 2) / (2 * excess + 1)
    }
    root = root - (root - size / (root * root)) / 3
    root = root.replacing(with: root * 0x1p-8, where: isSmall)
    let signed = unsafeBitCast(unsafeBitCast(root, to: SIMD8<UInt32>.self) | signBits(x), to: Floats.self)
    return signed.replacing(with: x, where: (x .== 0) .| .!(magnitude(x) .< .infinity))
}

/// -1, 0 or 1; not a number stays so.
@inline(__always)
func sign(_ x: Floats) -> Floats {
    x.replacing(with: 1, where: x .> 0).replacing(with: -1, where: x .< 0)
}

@inline(__always)
func magnitude(_ x: Floats) -> Floats {
    unsafeBitCast(unsafeBitCast(x, to: SIMD8<UInt32>.self) & 0x7FFF_FFFF, to: Floats.self)
}

@inline(__always)
private func signBits(_ x: Floats) -> SIMD8<UInt32> { unsafeBitCast(x, to: SIMD8<UInt32>.self) & 0x8000_0000 }
