// Element-wise functions of one variable.

import CKernels
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

    /// `max(x, 0)`; not a number stays so.
    public func relu() -> Tensor { applying(.relu) }
    public func leakyReLU(slope: Float = 0.01) -> Tensor { applying(.leakyReLU(slope: slope)) }
    public func relu6() -> Tensor { applying(.relu6) }
    public func elu(alpha: Float = 1) -> Tensor { applying(.elu(alpha: alpha)) }
    /// The Gaussian error linear unit, exact or in its form with a hyperbolic tangent.
    public func gelu(approximatedByTanh: Bool = false) -> Tensor { applying(approximatedByTanh ? .geluTanh : .gelu) }
    public func silu() -> Tensor { applying(.silu) }
    public func mish() -> Tensor { applying(.mish) }
    public func hardSwish() -> Tensor { applying(.hardSwish) }
    public func hardSigmoid() -> Tensor { applying(.hardSigmoid) }
    public func hardTanh(_ lower: Float = -1, _ upper: Float = 1) -> Tensor { applying(.clamp(lower, upper)) }
    public func sigmoid() -> Tensor { applying(.sigmoid) }
    public func tanh() -> Tensor { applying(.tanh) }
    public func exp() -> Tensor { applying(.exp) }
    public func log() -> Tensor { applying(.log) }
    public func squareRoot() -> Tensor { applying(.squareRoot) }
    public func squared() -> Tensor { applying(.square) }
    public func absolute() -> Tensor { applying(.absolute) }
    public func power(_ exponent: Float) -> Tensor { applying(.power(exponent)) }

    /// `log(1 + exp(beta · x)) / beta`.
    public func softplus(beta: Float = 1) -> Tensor {
        beta == 1 ? applying(.softplus) : (self * beta).applying(.softplus) * (1 / beta)
    }

    /// `scale · elu(x)` with the constants that keep activations normalised (Klambauer et al. 2017, arXiv:1706.02515 §2).
    public func selu() -> Tensor { elu(alpha: 1.673_263_242_354_377_2) * 1.050_700_987_355_480_5 }

    /// `x` above zero, `alpha · (exp(x / alpha) - 1)` below: smooth for every `alpha` (Barron 2017, arXiv:1704.07483).
    public func celu(alpha: Float = 1) -> Tensor {
        alpha == 1 ? elu() : (self * (1 / alpha)).elu() * alpha
    }

    /// `x` above zero, `slope · x` below, with learnt slopes (He et al. 2015, arXiv:1502.01852 §2.1).
    ///
    /// - Shapes: `slopes` broadcasts against this tensor: `[C]` for a channel each of `[…, C]`, `[1]` for one slope.
    public func parametricReLU(slopes: Tensor) -> Tensor { .applying(ParametricReLU(), to: self, slopes) }

    /// Every element held within `lower...upper`; not a number stays so.
    public func clamped(_ lower: Float, _ upper: Float) -> Tensor { applying(.clamp(lower, upper)) }

    /// Every element held at or above `lower`.
    public func clamped(_ lower: PartialRangeFrom<Float>) -> Tensor { clamped(lower.lowerBound, .infinity) }

    /// Every element held at or below `upper`.
    public func clamped(_ upper: PartialRangeThrough<Float>) -> Tensor { clamped(-.infinity, upper.upperBound) }

    /// Every element held within `lower...upper`, which broadcast; where the bounds cross, the upper one holds.
    public func clamped(_ lower: Tensor?, _ upper: Tensor?) -> Tensor {
        let raised = lower.map { .maximum(self, $0) } ?? self
        return upper.map { .minimum(raised, $0) } ?? raised
    }
}

struct Elementwise: Operation {
    let function: Activation

    static let isComputedByKernels = true

    func forward(_ inputs: [Tensor]) -> Tensor {
        let input = inputs[0].contiguous()
        switch function {
        case .relu: return input.rectified()
        case .log: return input.cast(to: .float32).naturalLogarithm().cast(to: input.elementType)
        case .softplus: return input.cast(to: .float32).softplusValues().cast(to: input.elementType)
        case .elu(let alpha):
            return input.cast(to: .float32).mapped {
                (alpha * exponentialLessOne($0)).replacing(with: $0, where: $0 .> 0)
            }.cast(to: input.elementType)
        case .clamp(let lower, let upper): return input.held(lower, upper)
        default: break
        }
        let output = Tensor(uninitialized: input.shape, input.elementType)
        guard input.elementCount > 0 else { return output }
        withExtendedLifetime(input.storage) {
            PrimitiveCache.shared.primitive(.activation(function, layout(of: input)))
                .run((DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DST, output.rawPointer))
        }
        return output
    }

    func backward(_ gradient: consuming Tensor, _ saved: Saved) -> [Tensor?] {
        if case .linear(let scale, _) = function { return [gradient * scale] }
        let input = (keepsResult ? saved.result : saved.input(0)).contiguous()
        var incoming = (consume gradient).cast(to: input.elementType).contiguous()
        if function == .gelu {
            incoming.multiplyBySlopesOfGELU(at: input)
            return [incoming]
        }
        let output = Tensor(uninitialized: input.shape, input.elementType)
        guard input.elementCount > 0 else { return [output] }
        let function = function.bounded(in: input.elementType)
        withExtendedLifetime((input.storage, incoming.storage)) {
            PrimitiveCache.shared.primitive(.activationBackward(function, layout(of: input)))
                .run(
                    (DNNL_ARG_SRC, input.rawPointer), (DNNL_ARG_DIFF_DST, incoming.rawPointer),
                    (DNNL_ARG_DIFF_SRC, output.rawPointer))
        }
        return [output]
    }

    func keeps(_ wanted: [Bool]) -> Kept {
        if case .linear = function { .nothing } else { keepsResult ? .output : .inputs }
    }

    /// Whether the slope follows from the result as from the input. The next layer keeps the result anyway.
    private var keepsResult: Bool {
        switch function {
        case .relu, .clamp: true
        default: false
        }
    }

    /// Shape does not matter to an element-wise function: one primitive serves all tensors of a size.
    private func layout(of tensor: Tensor) -> Layout { .rowMajor([tensor.elementCount], tensor.elementType) }
}

extension Tensor {
    /// Zero where the sign bit is set, unless the element is not a number, which oneDNN would make zero too.
    fileprivate func rectified() -> Tensor {
        switch elementType {
        case .float32: rectified(as: UInt32.self, infinity: Float.infinity.bitPattern)
        case .bfloat16: rectified(as: UInt16.self, infinity: BFloat16(.infinity).bitPattern)
        default: rectified(as: UInt16.self, infinity: Float16.infinity.bitPattern)
        }
    }

    /// Bit patterns from that of -0 up to that of -∞ become 0.
    @inline(__always)
    private func rectified<Bits: FixedWidthInteger & BitwiseCopyable>(as bits: Bits.Type, infinity: Bits) -> Tensor {
        let output = Tensor(uninitialized: shape, elementType)
        let signBit = Bits(1) << (Bits.bitWidth - 1)
        withExtendedLifetime((storage, output.storage)) {
            let count = elementCount
            let source = UnsafeBufferPointer(start: rawPointer.assumingMemoryBound(to: Bits.self), count: count)
            let target = UnsafeMutableBufferPointer(
                start: output.rawPointer.assumingMemoryBound(to: Bits.self), count: count)
            for index in 0..<count {
                let value = source[index]
                target[index] = value &- signBit <= infinity ? 0 : value
            }
        }
        return output
    }
}

extension Tensor {
    /// Every element within the bounds; what is not a number stays so, which oneDNN would make the lower bound.
    fileprivate func held(_ lower: Float, _ upper: Float) -> Tensor {
        let output = Tensor(uninitialized: shape, elementType)
        let count = Int64(elementCount)
        return withExtendedLifetime(storage) {
            switch elementType {
            case .float32:
                pando_clamp_float(
                    pointer(as: Float.self), output.pointer(as: Float.self), count, lower, upper, Processor.instructions)
            case .bfloat16:
                pando_clamp_bfloat16(
                    rawPointer.assumingMemoryBound(to: UInt16.self),
                    output.rawPointer.assumingMemoryBound(to: UInt16.self), count, lower, upper, Processor.instructions)
            default: return cast(to: .float32).held(lower, upper).cast(to: elementType)
            }
            return output
        }
    }
}

extension Tensor {
    /// Makes the gradient of `input`'s exact GELU that of `input`, in place where nobody else holds it: the largest values
    /// of a transformer stand before that function. oneDNN's takes twice as long in bfloat16.
    /// - Precondition: `input` has no gaps, and holds this tensor's shape and type.
    fileprivate mutating func multiplyBySlopesOfGELU(at input: Tensor) {
        let (type, count) = (elementType, Int64(elementCount))
        switch type {
        case .float32:
            makeExclusive()
            pando_gelu_gradient_float(
                input.pointer(as: Float.self), pointer(as: Float.self), count, Processor.instructions)
        case .bfloat16:
            makeExclusive()
            pando_gelu_gradient_bfloat16(
                input.rawPointer.assumingMemoryBound(to: UInt16.self), rawPointer.assumingMemoryBound(to: UInt16.self),
                count, Processor.instructions)
        default:
            var wide = cast(to: .float32)
            wide.multiplyBySlopesOfGELU(at: input.cast(to: .float32))
            self = wide.cast(to: type)
        }
        extendLifetime((storage, input.storage))
    }
}

extension Activation {
    /// The function whose bounds are numbers of `type`: those that results are held at.
    fileprivate func bounded(in type: ElementType) -> Activation {
        guard case .clamp(let lower, let upper) = self else { return self }
        func nearest(_ bound: Float) -> Float { Tensor(bound).cast(to: type).cast(to: .float32).scalar() }
        return type == .float32 ? self : .clamp(nearest(lower), nearest(upper))
    }
}

/// `x` above zero, `slope · x` below.
struct ParametricReLU: Operation {
    func forward(_ inputs: [Tensor]) -> Tensor { combine(inputs[0], inputs[1]) { $0 > 0 ? $0 : $1 * $0 } }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let (x, slopes) = (saved.input(0), saved.input(1))
        return [
            saved.wanted[0]
                ? (gradient * combine(x, slopes) { $0 > 0 ? 1 : $1 }).summed(toShape: saved.inputShapes[0]) : nil,
            saved.wanted[1]
                ? combine(gradient, x) { $1 > 0 ? 0 : $0 * $1 }.summed(toShape: saved.inputShapes[1]) : nil,
        ]
    }
}
