// Element-wise functions of one variable.

import COneDNN

extension Tensor {
    /// `function` of every element.
    /// - Precondition: the elements are floating-point numbers.
    public func applying(_ function: Activation) -> Tensor {
        requireFloatingPoint("\(function)")
        return .applying(Elementwise(function: function), to: self)
    }

    /// Stops the program if `operation` was asked of whole numbers.
    func requireFloatingPoint(_ operation: @autoclosure () -> String) {
        require(
            elementType.isFloatingPoint,
            "\(operation()): the tensor holds \(elementType), expected a floating-point type; cast it first")
    }

    public func relu() -> Tensor { applying(.relu) }
    public func gelu() -> Tensor { applying(.gelu) }
    public func silu() -> Tensor { applying(.silu) }
    public func sigmoid() -> Tensor { applying(.sigmoid) }
    public func tanh() -> Tensor { applying(.tanh) }
    public func exp() -> Tensor { applying(.exp) }
    public func log() -> Tensor { applying(.log) }
    public func squareRoot() -> Tensor { applying(.squareRoot) }
    public func squared() -> Tensor { applying(.square) }
    public func absolute() -> Tensor { applying(.absolute) }
    public func softplus() -> Tensor { applying(.softplus) }
    public func power(_ exponent: Float) -> Tensor { applying(.power(exponent)) }

    /// Every element held within `lower...upper`.
    public func clamped(_ lower: Float, _ upper: Float) -> Tensor { applying(.clamp(lower, upper)) }
}

struct Elementwise: Operation {
    let function: Activation

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0].contiguous()
        let output = Tensor(uninitialized: input.shape, input.elementType)
        guard input.elementCount > 0 else { return output }
        switch function {
        case .log: return input.cast(to: .float32).naturalLogarithm().cast(to: input.elementType)
        case .softplus: return input.cast(to: .float32).softplusValues().cast(to: input.elementType)
        default: break
        }
        withExtendedLifetime(input.storage) {
            PrimitiveCache.shared.primitive(.activation(function, layout(of: input)))
                .run((DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DST, output.rawPointer))
        }
        return output
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        if case .linear(let scale, _) = function { return [gradient * scale] }
        let input = saved.input(0).contiguous()
        let incoming = gradient.cast(to: input.elementType).contiguous()
        let output = Tensor(uninitialized: input.shape, input.elementType)
        guard input.elementCount > 0 else { return [output] }
        withExtendedLifetime((input.storage, incoming.storage)) {
            PrimitiveCache.shared.primitive(.activationBackward(function, layout(of: input)))
                .run(
                    (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DIFF_DST, incoming.rawPointer),
                    (DNNL_ARG_DIFF_SRC, output.rawPointer))
        }
        return [output]
    }

    func keeps(_ wanted: [Bool]) -> Kept {
        if case .linear = function { .nothing } else { .inputs }
    }

    /// Shape does not matter to an element-wise function: one primitive serves all tensors of a size.
    private func layout(of tensor: Tensor) -> Layout { .rowMajor([tensor.elementCount], tensor.elementType) }
}
