import Foundation

/// A safetensors file: named tensors that stay in the file and are mapped into memory, not copied.
///
/// Layout: eight bytes with the header's length, the header (JSON: for each tensor element type, shape and place),
/// then all tensors one after another.
/// - Cost: opening reads the header; a tensor's pages are read when first touched. With `requiringFinite`, all are
///   touched once. A tensor that does not stand at a multiple of its element's size is copied.
/// - Source: the format as github.com/huggingface/safetensors describes it, with all its checks (no key twice, no
///   gap, no overlap, nothing out of range). Ours also refuses elements of BOOL that are neither 0 nor 1, which
///   would have no meaning in Swift.
public struct SafetensorsFile: Sendable {
    /// The tensors in the order of their places in the file.
    public let tensors: NamedTensors
    /// What the writer noted about the file: `__metadata__` of the header.
    public let metadata: [String: String]

    /// - Parameter requiringFinite: whether NaN and infinities are refused; trained weights never hold them.
    /// - Throws: every problem of the file, by tensor.
    public init(_ url: URL, requiringFinite: Bool = true) throws(CheckpointError) {
        let file = try CheckpointError.map(url)
        let header = try SafetensorsHeader(of: file)
        var problems: [CheckpointError.Problem] = []
        var tensors = NamedTensors()
        for entry in header.entries {
            let bytes = file.bytes(in: entry.range)
            guard entry.elementType != .bool || bytes.allSatisfy({ $0 <= 1 }) else {
                problems.append(.init(tensor: entry.name, "a BOOL element is neither 0 nor 1"))
                continue
            }
            let tensor = Tensor(mapping: bytes, of: file, shape: entry.shape, elementType: entry.elementType)
            if !tensors.append(tensor, named: entry.name) {
                problems.append(.init(tensor: entry.name, "another tensor has the same name"))
            }
        }
        if requiringFinite { problems += tensors.nonFiniteProblems() }
        guard problems.isEmpty else { throw CheckpointError(path: url.path, problems: problems) }
        self.tensors = tensors
        metadata = header.metadata
    }
}

extension Tensor {
    /// A tensor over a part of `file`: shared if the part is aligned for the element type, else copied.
    init(mapping bytes: UnsafeRawBufferPointer, of file: MappedFile, shape: [Int], elementType: ElementType) {
        if UInt(bitPattern: bytes.baseAddress) % UInt(elementType.byteCount) == 0 {
            self.init(sharing: bytes, ownedBy: file, shape: shape, elementType: elementType)
        } else {
            self.init(copying: bytes, shape: shape, elementType: elementType)
        }
    }
}

extension ElementType {
    /// The name of this type in a safetensors header.
    var safetensorsName: String {
        switch self {
        case .float32: "F32"
        case .bfloat16: "BF16"
        case .float16: "F16"
        case .int64: "I64"
        case .int32: "I32"
        case .int8: "I8"
        case .uint8: "U8"
        case .bool: "BOOL"
        }
    }

    init?(safetensorsName name: String) {
        guard let type = Self.allCases.first(where: { $0.safetensorsName == name }) else { return nil }
        self = type
    }
}
