import PandoTensor

/// An activation by the name that configuration files use.
///
/// - Source: Hugging Face's `ACT2FN`, for the names.
public enum NamedActivation: String, Sendable, Hashable, Codable, CaseIterable {
    case gelu
    case geluNew = "gelu_new"
    case geluTanh = "gelu_pytorch_tanh"
    case quickGELU = "quick_gelu"
    case relu
    case relu6
    case silu
    case swish
    case hardSwish = "hardswish"
    case tanh
    case sigmoid

    public func callAsFunction(_ x: Tensor) -> Tensor { x.applying(function) }

    /// The function itself.
    public var function: Activation {
        switch self {
        case .gelu: .gelu
        case .geluNew, .geluTanh: .geluTanh
        case .quickGELU: .quickGELU
        case .relu: .relu
        case .relu6: .relu6
        case .silu, .swish: .silu
        case .hardSwish: .hardSwish
        case .tanh: .tanh
        case .sigmoid: .sigmoid
        }
    }
}
