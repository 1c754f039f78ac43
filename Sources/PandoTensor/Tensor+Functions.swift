// Further functions of one or two numbers, element by element.

import Glibc

extension Tensor {
    /// `eˣ - 1`, precise near zero.
    public func expm1() -> Tensor { applying(.exponentialLessOne) }
    /// `log(1 + x)`, precise near zero.
    public func log1p() -> Tensor { applying(.logarithmOfOnePlus) }
    /// The error function `2/√π ∫₀ˣ e^-t² dt`.
    public func erf() -> Tensor { applying(.errorFunction) }
    public func cubeRoot() -> Tensor { applying(.cubeRoot) }
    public func reciprocalSquareRoot() -> Tensor { power(-0.5) }
    public func reciprocal() -> Tensor { power(-1) }
    /// -1, 0 or 1.
    public func sign() -> Tensor { applying(.sign) }
    public func floor() -> Tensor { applying(.floor) }
    public func ceil() -> Tensor { applying(.ceiling) }
    /// The nearest whole number, halves to the even one.
    public func rounded() -> Tensor { applying(.nearest) }

    /// `selfʸ`, broadcast.
    ///
    /// A base of zero has no gradient towards the exponent, an exponent of zero none towards the base.
    public func power(_ exponent: Tensor) -> Tensor { .applying(Power(), to: self, exponent) }

    /// `x - y · floor(x / y)`: what division leaves, with the sign of the divisor; broadcast.
    public func remainder(_ divisor: Tensor) -> Tensor { .applying(Remainder(), to: self, divisor) }

    /// `x - y · floor(x / y)`: what division leaves, with the sign of the divisor.
    public func remainder(_ divisor: Float) -> Tensor { remainder(Tensor(divisor).cast(to: elementType)) }

    /// `self + weight · (end - self)`, broadcast.
    public func lerp(to end: Tensor, weight: Tensor) -> Tensor { self + weight * (end - self) }

    /// `self + weight · (end - self)`.
    public func lerp(to end: Tensor, weight: Float) -> Tensor { self + weight * (end - self) }

    private func applying(_ function: Function) -> Tensor {
        requireFloatingPoint("\(function)")
        return .applying(function, to: self)
    }
}

/// Functions of one number that oneDNN lacks, or has with fewer digits.
enum Function: Operation {
    case exponentialLessOne, logarithmOfOnePlus, errorFunction, cubeRoot, sign, floor, ceiling, nearest

    func forward(_ inputs: [Tensor]) -> Tensor {
        let values = inputs[0].cast(to: .float32)
        let result =
            switch self {
            case .exponentialLessOne: values.mapped { PandoTensor.exponentialLessOne($0) }
            case .logarithmOfOnePlus: values.mapped { PandoTensor.logarithmOfOnePlus($0) }
            case .errorFunction: values.mapped { PandoTensor.errorFunction($0) }
            case .cubeRoot: values.mapped { PandoTensor.cubeRoot($0) }
            case .sign: values.mapped { PandoTensor.sign($0) }
            case .floor: values.mapped { PandoTensor.floor($0) }
            case .ceiling: values.mapped { -PandoTensor.floor(-$0) }
            case .nearest: values.mapped { PandoTensor.nearest($0) }
            }
        return result.cast(to: inputs[0].elementType)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        switch self {
        case .exponentialLessOne: [gradient * (saved.result + 1)]
        case .logarithmOfOnePlus: [gradient / (saved.input(0) + 1)]
        case .errorFunction: [gradient * (-saved.input(0).squared()).exp() * (2 / Float.pi.squareRoot())]
        case .cubeRoot: [gradient / (saved.result.squared() * 3)]
        case .sign, .floor, .ceiling, .nearest: [.zeros(gradient.shape, gradient.elementType)]
        }
    }

    func keeps(_ wanted: [Bool]) -> Kept {
        switch self {
        case .exponentialLessOne, .cubeRoot: .output
        case .logarithmOfOnePlus, .errorFunction: .inputs
        case .sign, .floor, .ceiling, .nearest: .nothing
        }
    }
}

struct Power: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { combine(inputs[0], inputs[1]) { powf($0, $1) } }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (base, exponent) = (saved.input(0), saved.input(1))
        let towardsBase = { combine(base, exponent) { $1 == 0 ? 0 : $1 * powf($0, $1 - 1) } }
        let towardsExponent = { combine(base, exponent) { $0 == 0 && $1 >= 0 ? 0 : powf($0, $1) * logf($0) } }
        return [
            saved.wanted[0] ? (gradient * towardsBase()).summed(toShape: saved.inputShapes[0]) : nil,
            saved.wanted[1] ? (gradient * towardsExponent()).summed(toShape: saved.inputShapes[1]) : nil,
        ]
    }
}

struct Remainder: Operation {
    /// The C library's remainder is exact but has the dividend's sign.
    func forward(_ inputs: [Tensor]) -> Tensor {
        combine(inputs[0], inputs[1]) { dividend, divisor in
            let rest = fmodf(dividend, divisor)
            return rest != 0 && (rest < 0) != (divisor < 0) ? rest + divisor : rest
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [
            saved.wanted[0] ? gradient.summed(toShape: saved.inputShapes[0]) : nil,
            saved.wanted[1]
                ? (gradient * combine(saved.input(0), saved.input(1)) { -($0 / $1).rounded(.down) })
                    .summed(toShape: saved.inputShapes[1]) : nil,
        ]
    }

    func keeps(_ wanted: [Bool]) -> Kept { wanted[1] ? .inputs : .nothing }
}
