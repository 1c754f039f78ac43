// Conversions between element types.

import CKernels

extension Tensor {
    /// The same values as another element type: nearest for floats, truncated towards zero for integers.
    ///
    /// Gradients come back in this tensor's own type.
    public func cast(to type: ElementType) -> Tensor {
        type == elementType ? self : .applying(Cast(to: type, from: elementType), to: self)
    }
}

struct Cast: Operation {
    let to: ElementType
    let from: ElementType

    func forward(_ inputs: [Tensor]) -> Tensor {
        // In a program every value is a floating-point number, whatever it was in the function.
        switch inputs[0].elementType {
        case .float32 where to == .bfloat16: inputs[0].roundedToBFloat16()
        case .bfloat16 where to == .float32: inputs[0].widened()
        case .float32: convert(inputs[0]) { (value: Float) in value }
        case .bfloat16: convert(inputs[0]) { (value: BFloat16) in Float(value) }
        case .float16: convert(inputs[0]) { (value: Float16) in Float(value) }
        case .int64: convertInteger(inputs[0]) { (value: Int64) in value }
        case .int32: convertInteger(inputs[0]) { (value: Int32) in Int64(value) }
        case .int8: convertInteger(inputs[0]) { (value: Int8) in Int64(value) }
        case .uint8: convertInteger(inputs[0]) { (value: UInt8) in Int64(value) }
        case .bool: convertInteger(inputs[0]) { (value: Bool) in value ? 1 : 0 }
        }
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [gradient.cast(to: from)] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }

    @inline(__always)
    private func convert<Source: TensorScalar>(_ input: Tensor, _ read: (Source) -> Float) -> Tensor {
        switch to {
        case .float32: map(input) { (value: Source) in read(value) }
        case .bfloat16: map(input) { (value: Source) in BFloat16(read(value)) }
        case .float16: map(input) { (value: Source) in Float16(read(value)) }
        case .int64: map(input) { (value: Source) in Int64(clamping(read(value), -0x1p63, 0x1.fffffep62)) }
        case .int32: map(input) { (value: Source) in Int32(clamping(read(value), -0x1p31, 0x1.fffffep30)) }
        case .int8: map(input) { (value: Source) in Int8(clamping(read(value), -128, 127)) }
        case .uint8: map(input) { (value: Source) in UInt8(clamping(read(value), 0, 255)) }
        case .bool: map(input) { (value: Source) in read(value) != 0 }
        }
    }

    @inline(__always)
    private func convertInteger<Source: TensorScalar>(_ input: Tensor, _ read: (Source) -> Int64) -> Tensor {
        switch to {
        case .float32: map(input) { (value: Source) in Float(read(value)) }
        case .bfloat16: map(input) { (value: Source) in BFloat16(Float(read(value))) }
        case .float16: map(input) { (value: Source) in Float16(read(value)) }
        case .int64: map(input) { (value: Source) in read(value) }
        case .int32: map(input) { (value: Source) in Int32(clamping: read(value)) }
        case .int8: map(input) { (value: Source) in Int8(clamping: read(value)) }
        case .uint8: map(input) { (value: Source) in UInt8(clamping: read(value)) }
        case .bool: map(input) { (value: Source) in read(value) != 0 }
        }
    }

    @inline(__always)
    private func map<Source: TensorScalar, Target: TensorScalar>(_ input: Tensor, _ function: (Source) -> Target)
        -> Tensor
    {
        input.withScalars(as: Source.self) { source in
            Tensor(unsafeUninitialized: input.shape, of: Target.self) { target in
                for index in target.indices { target[index] = function(source[index]) }
            }
        }
    }
}

extension Tensor {
    /// These `float32` values as `bfloat16`.
    fileprivate func roundedToBFloat16() -> Tensor {
        withScalars { source in
            Tensor(unsafeUninitialized: shape, of: BFloat16.self) { target in
                guard let from = source.baseAddress, let to = target.baseAddress else { return }
                to.withMemoryRebound(to: UInt16.self, capacity: target.count) {
                    pando_round_to_bfloat16(from, $0, Int64(target.count), Processor.instructions)
                }
            }
        }
    }

    /// These `bfloat16` values as `float32`.
    fileprivate func widened() -> Tensor {
        withScalars(as: BFloat16.self) { source in
            Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                guard let from = source.baseAddress, let to = target.baseAddress else { return }
                from.withMemoryRebound(to: UInt16.self, capacity: target.count) {
                    pando_widen_bfloat16($0, to, Int64(target.count), Processor.instructions)
                }
            }
        }
    }

    /// The sum of two contiguous `bfloat16` tensors of one shape.
    func addedInBFloat16(_ other: Tensor) -> Tensor {
        let output = Tensor(uninitialized: shape, .bfloat16)
        withExtendedLifetime((storage, other.storage)) {
            pando_add_bfloat16(
                rawPointer.assumingMemoryBound(to: UInt16.self), other.rawPointer.assumingMemoryBound(to: UInt16.self),
                output.rawPointer.assumingMemoryBound(to: UInt16.self),
                Int64(elementCount), Processor.instructions)
        }
        return output
    }
}

/// `value` within the limits; NaN becomes 0, since integers have no NaN.
@inline(__always)
private func clamping(_ value: Float, _ lower: Float, _ upper: Float) -> Float {
    value.isNaN ? 0 : min(max(value, lower), upper)
}
