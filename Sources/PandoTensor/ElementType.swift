/// What one element of a tensor is.
public enum ElementType: String, Sendable, Hashable, Codable, CaseIterable {
    case float32, bfloat16, float16, int64, int32, int8, uint8, bool

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .int64: 8
        case .float32, .int32: 4
        case .bfloat16, .float16: 2
        case .int8, .uint8, .bool: 1
        }
    }

    /// Whether values of this type can carry gradients.
    public var isFloatingPoint: Bool {
        switch self {
        case .float32, .bfloat16, .float16: true
        case .int64, .int32, .int8, .uint8, .bool: false
        }
    }
}

/// A Swift type that a tensor's elements can be read and written as.
public protocol TensorScalar: BitwiseCopyable, Sendable {
    static var elementType: ElementType { get }
}

extension Float: TensorScalar { public static var elementType: ElementType { .float32 } }
extension Float16: TensorScalar { public static var elementType: ElementType { .float16 } }
extension Int64: TensorScalar { public static var elementType: ElementType { .int64 } }
extension Int32: TensorScalar { public static var elementType: ElementType { .int32 } }
extension Int8: TensorScalar { public static var elementType: ElementType { .int8 } }
extension UInt8: TensorScalar { public static var elementType: ElementType { .uint8 } }
extension Bool: TensorScalar { public static var elementType: ElementType { .bool } }

/// A 16-bit float with the exponent range of `Float` and 8 bits of precision.
public struct BFloat16: TensorScalar, Hashable {
    public static var elementType: ElementType { .bfloat16 }

    /// The upper half of the `Float` with the same value.
    public var bitPattern: UInt16

    @inlinable
    public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

    /// The nearest value to `value`, ties to even; NaN stays NaN.
    @inlinable
    public init(_ value: Float) {
        let bits = value.bitPattern
        if value.isNaN {
            bitPattern = UInt16(truncatingIfNeeded: bits >> 16) | 0x40
        } else {
            bitPattern = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
        }
    }
}

extension Float {
    /// The exact value of `value`.
    @inlinable
    public init(_ value: BFloat16) { self.init(bitPattern: UInt32(value.bitPattern) << 16) }
}
