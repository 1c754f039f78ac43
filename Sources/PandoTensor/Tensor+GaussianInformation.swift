// How much whole numbers tell, if rounding a Gaussian gave them.

import Glibc

extension Tensor {
    /// How many bits each number x tells: `-log₂ P` with `P = Φ((x + ½) / σ) - Φ((x - ½) / σ)`, the chance that a Gaussian
    /// about zero falls into the interval of length 1 around it.
    ///
    /// Where x has uniform noise in place of rounding, it is a smooth function of both. It stays finite, with its slopes,
    /// however far out x is.
    /// - Shapes: `scale`, the deviation σ, as this tensor's; both `float32`.
    /// - Precondition: `scale > 0`.
    /// - Source: Ballé et al. 2018 (arXiv:1802.01436), section 3, without a bound on the chance: tails are computed from
    ///   `φ / (1 - Φ)`.
    public func gaussianInformation(scale: Tensor) -> Tensor {
        require(
            shape == scale.shape && elementType == .float32 && scale.elementType == .float32,
            "Gaussian information: \(elementType) \(shape) with scales \(scale.elementType) \(scale.shape)")
        return .applying(GaussianInformation(), to: self, scale)
    }
}

/// Inputs: values and scales.
struct GaussianInformation: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    /// Auxiliaries: the slopes towards values and scales.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let shape = inputs[0].shape
        let (output, valueSlopes) = (Tensor(uninitialized: shape, .float32), Tensor(uninitialized: shape, .float32))
        let scaleSlopes = Tensor(uninitialized: shape, .float32)
        inputs[0].withScalars { values in
            inputs[1].withScalars { scales in
                withExtendedLifetime((output.storage, valueSlopes.storage, scaleSlopes.storage)) {
                    let targets = [output, valueSlopes, scaleSlopes].map { $0.pointer(as: Float.self) }
                    let (bits, byValue, byScale) = (targets[0], targets[1], targets[2])
                    for index in values.indices {
                        let information = Self.information(of: Double(values[index]), Double(scales[index]))
                        bits[index] = Float(information.bits)
                        byValue[index] = Float(information.byValue)
                        byScale[index] = Float(information.byScale)
                    }
                }
            }
        }
        return (output, [valueSlopes, scaleSlopes])
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        zip(saved.wanted, saved.auxiliaries).map { $0 ? gradient * $1 : nil }
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }

    /// By symmetry x = |value|: with `Q = 1 - Φ`, `h = φ / Q`, `t₁, t₂ = (x ∓ ½) / σ`, `e = φ(t₂) / φ(t₁) = exp(-x / σ²)` and
    /// `r = Q(t₂) / Q(t₁) = e h(t₁) / h(t₂)`, `P = Q(t₁) (1 - r)`.
    private static func information(of value: Double, _ scale: Double) -> (bits: Double, byValue: Double, byScale: Double) {
        let x = abs(value)
        let (near, far) = ((x - 0.5) / scale, (x + 0.5) / scale)
        let decay = exp(-x / (scale * scale))
        let (tail, nearHazard) = upperTail(near)
        let rest = 1 - decay * nearHazard / upperTail(far).hazard
        let slope = -nearHazard / rest / (scale * M_LN2)
        return (
            -(tail + log(rest)) / M_LN2, slope * (decay - 1) * (value < 0 ? -1 : 1), slope * (near - decay * far)
        )
    }

    /// `log(1 - Φ(t))`, and `φ(t) / (1 - Φ(t))`.
    private static func upperTail(_ t: Double) -> (logarithm: Double, hazard: Double) {
        let logDensity = -0.5 * t * t - 0.918_938_533_204_672_7  // ½ log 2π
        guard t > 25 else {
            let tail = 0.5 * erfc(t * 0.5.squareRoot())
            return (log(tail), exp(logDensity) / tail)
        }
        // To within t⁻⁵.
        let hazard = t + 1 / t - 2 / (t * t * t)
        return (logDensity - log(hazard), hazard)
    }
}
