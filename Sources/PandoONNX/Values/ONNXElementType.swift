import PandoTensor

/// What the elements of a value are in the file, by ONNX's numbers, and what they are computed in.
enum ONNXElementType: Int, Sendable, Hashable {
    case float = 1
    case uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64, complex64, complex128
    case bfloat16

    /// What values are, as far as operators tell them apart.
    ///
    /// Floating-point numbers of every size are computed in `float32`, whole numbers of every size are counted in
    /// `int64`.
    enum Kind: Sendable, Hashable {
        case float, integer, bool

        var name: String {
            switch self {
            case .float: "floating-point numbers"
            case .integer: "whole numbers"
            case .bool: "truth values"
            }
        }
    }

    /// `nil` for what no operator here computes with.
    var kind: Kind? {
        switch self {
        case .float, .float16, .bfloat16, .double: .float
        case .uint8, .int8, .uint16, .int16, .int32, .int64, .uint32, .uint64: .integer
        case .bool: .bool
        case .string, .complex64, .complex128: nil
        }
    }

    /// Bytes of one element as files store it.
    var byteCount: Int {
        switch self {
        case .bool, .uint8, .int8: 1
        case .float16, .bfloat16, .uint16, .int16: 2
        case .float, .int32, .uint32: 4
        case .double, .int64, .uint64, .complex64: 8
        case .complex128: 16
        case .string: 0
        }
    }

    /// What a value may be for integers of this type; `nil` for other types.
    var range: ClosedRange<Int64>? {
        switch self {
        case .uint8: 0...255
        case .int8: -128...127
        case .uint16: 0...65535
        case .int16: -32768...32767
        case .int32: -0x8000_0000...0x7FFF_FFFF
        case .uint32: 0...0xFFFF_FFFF
        case .int64: .min ... .max
        case .uint64: 0 ... .max
        case .float, .float16, .bfloat16, .double, .bool, .string, .complex64, .complex128: nil
        }
    }
}
