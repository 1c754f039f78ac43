import COneDNN

/// An element-wise function of one variable.
///
/// All are differentiable; `derivative` formulas are oneDNN's own backward primitives.
public enum Activation: Hashable, Sendable {
    case relu
    /// `x` above zero, `slope · x` below.
    case leakyReLU(slope: Float)
    /// `x` above zero, `alpha · (eˣ - 1)` below (Clevert et al. 2016, arXiv:1511.07289).
    case elu(alpha: Float)
    /// `min(max(x, lower), upper)`; ReLU6 is `clamp(0, 6)`.
    case clamp(Float, Float)
    /// `x · Φ(x)`, with the exact normal distribution function.
    case gelu
    /// `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))` (Hendrycks and Gimpel 2016, arXiv:1606.08415).
    case geluTanh
    /// `x · sigmoid(x)`.
    case silu
    /// `x · sigmoid(1.702 x)`, CLIP's approximation of GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2).
    case quickGELU
    /// `x · tanh(softplus(x))` (Misra 2019, arXiv:1908.08681).
    case mish
    /// `min(max(x / 6 + 1/2, 0), 1)`.
    case hardSigmoid
    /// `x · hardSigmoid(x)` (Howard et al. 2019, MobileNetV3, arXiv:1905.02244 §5.2).
    case hardSwish
    case sigmoid, tanh, exp, log, squareRoot, square, absolute
    /// `log(1 + eˣ)`.
    case softplus
    /// `scale · x + shift`.
    case linear(scale: Float, shift: Float)
    /// `xᵃ`.
    case power(Float)

    public static let relu6 = Activation.clamp(0, 6)

    /// Whether oneDNN's own formula is precise enough; see `Tensor+Logarithms.swift`.
    var isPreciseInKernels: Bool {
        switch self {
        case .log, .softplus, .elu: false
        case .relu, .leakyReLU, .clamp, .gelu, .geluTanh, .silu, .quickGELU, .mish, .hardSigmoid, .hardSwish, .sigmoid, .tanh, .exp,
            .squareRoot, .square, .absolute, .linear, .power:
            true
        }
    }

    var algorithm: dnnl_alg_kind_t {
        switch self {
        case .relu, .leakyReLU: dnnl_eltwise_relu
        case .elu: dnnl_eltwise_elu
        case .clamp: dnnl_eltwise_clip_v2
        case .gelu: dnnl_eltwise_gelu_erf
        case .geluTanh: dnnl_eltwise_gelu_tanh
        case .silu, .quickGELU: dnnl_eltwise_swish
        case .mish: dnnl_eltwise_mish
        case .hardSigmoid: dnnl_eltwise_hardsigmoid
        case .hardSwish: dnnl_eltwise_hardswish
        case .sigmoid: dnnl_eltwise_logistic
        case .tanh: dnnl_eltwise_tanh
        case .exp: dnnl_eltwise_exp
        case .log: dnnl_eltwise_log
        case .squareRoot: dnnl_eltwise_sqrt
        case .square: dnnl_eltwise_square
        case .absolute: dnnl_eltwise_abs
        case .softplus: dnnl_eltwise_soft_relu
        case .linear: dnnl_eltwise_linear
        case .power: dnnl_eltwise_pow
        }
    }

    var alpha: Float {
        switch self {
        case .clamp(let lower, _): lower
        case .linear(let scale, _): scale
        case .leakyReLU(let slope): slope
        case .elu(let alpha): alpha
        case .hardSigmoid, .hardSwish: 1 / 6
        case .silu, .softplus, .power: 1
        case .quickGELU: 1.702
        case .relu, .gelu, .geluTanh, .mish, .sigmoid, .tanh, .exp, .log, .squareRoot, .square, .absolute: 0
        }
    }

    var beta: Float {
        switch self {
        case .clamp(_, let upper): upper
        case .linear(_, let shift): shift
        case .power(let exponent): exponent
        case .hardSigmoid, .hardSwish: 0.5
        case .relu, .leakyReLU, .elu, .gelu, .geluTanh, .silu, .quickGELU, .mish, .sigmoid, .tanh, .exp, .log, .squareRoot, .square,
            .absolute, .softplus:
            0
        }
    }
}
