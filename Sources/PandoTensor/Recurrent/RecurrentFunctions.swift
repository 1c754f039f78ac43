// Eight elements of a recurrent layer at a time.

/// The beginnings and lengths of blocks of eight elements and a rest.
@inline(__always)
func forEachBlock(_ count: Int, _ body: (_ start: Int, _ count: Int) -> Void) {
    var start = 0
    while start < count {
        body(start, min(8, count - start))
        start += 8
    }
}

/// `count` elements, at most eight; the rest are zero.
@inline(__always)
func loaded(_ pointer: UnsafePointer<Float>, _ count: Int) -> SIMD8<Float> {
    if count == 8 { return UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self) }
    var result = SIMD8<Float>()
    for index in 0..<count { result[index] = pointer[index] }
    return result
}

@inline(__always)
func put(_ values: SIMD8<Float>, _ pointer: UnsafeMutablePointer<Float>, _ count: Int) {
    if count == 8 { return UnsafeMutableRawPointer(pointer).storeBytes(of: values, as: SIMD8<Float>.self) }
    for index in 0..<count { pointer[index] = values[index] }
}

/// `1 / (1 + e⁻ˣ)`.
@inline(__always)
func logistic(_ x: SIMD8<Float>) -> SIMD8<Float> { 1 / (1 + boundedExponential(-x)) }

/// `tanh x = 2 / (1 + e⁻²ˣ) - 1`, within 2⁻²³ of the truth.
@inline(__always)
func hyperbolicTangent(_ x: SIMD8<Float>) -> SIMD8<Float> { 2 / (1 + boundedExponential(-2 * x)) - 1 }

/// What a sum with 1 needs of `eˣ`, cheaper than an exponential that is precise everywhere: `eˣ`, at the least e⁻⁸⁷ and at the most e⁸⁷: `x = n · log 2 + r`, and a series for `eʳ`. NaN stays NaN.
@inline(__always)
private func boundedExponential(_ x: SIMD8<Float>) -> SIMD8<Float> {
    let x = x.replacing(with: 87, where: x .> 87).replacing(with: -87, where: x .< -87)
    // A number added to 1.5 · 2²³ is rounded to a whole one, which stands in the last places.
    let shifted = x * 1.442_695_04 + 0x1.8p23
    let count = shifted - 0x1.8p23
    // log 2 in two parts, the first short enough for an exact product.
    let rest = (x - count * 0.693_145_75) - count * 1.428_606_8e-06
    var series = 1.0 / 5040 * rest + 1.0 / 720
    series = series * rest + 1.0 / 120
    series = series * rest + 1.0 / 24
    series = series * rest + 1.0 / 6
    series = series * rest + 0.5
    series = series * rest + 1
    series = series * rest + 1
    let exponent = (unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- 0x4B40_0000 &+ 127) &<< 23
    return series * unsafeBitCast(exponent, to: SIMD8<Float>.self)
}
