import COneDNN

/// An element-wise function of one variable.
///
/// All are differentiable; `derivative` formulas are oneDNN's own backward primitives.
public enum Activation: Hashable, Sendable {
    case relu
    /// `min(max(x, lower), upper)`; ReLU6 is `clamp(0, 6)`.
    case clamp(Float, Float)
    /// `x · Φ(x)`, with the exact normal distribution function.
    case gelu
    /// `x · sigmoid(x)`.
    case silu
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
        case .log, .softplus: false
        case .relu, .clamp, .gelu, .silu, .sigmoid, .tanh, .exp, .squareRoot, .square, .absolute, .linear, .power: true
        }
    }

    var algorithm: dnnl_alg_kind_t {
        switch self {
        case .relu: dnnl_eltwise_relu
        case .clamp: dnnl_eltwise_clip_v2
        case .gelu: dnnl_eltwise_gelu_erf
        case .silu: dnnl_eltwise_swish
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
        case .silu, .softplus, .power: 1
        case .relu, .gelu, .sigmoid, .tanh, .exp, .log, .squareRoot, .square, .absolute: 0
        }
    }

    var beta: Float {
        switch self {
        case .clamp(_, let upper): upper
        case .linear(_, let shift): shift
        case .power(let exponent): exponent
        case .relu, .gelu, .silu, .sigmoid, .tanh, .exp, .log, .squareRoot, .square, .absolute, .softplus: 0
        }
    }
}
