/// Tensors under unique names, in the order of the file they come from.
public struct NamedTensors: Sendable, Sequence {
    public private(set) var names: [String] = []
    private var tensorsByName: [String: Tensor] = [:]

    public init() {}

    public var count: Int { names.count }

    public subscript(name: String) -> Tensor? { tensorsByName[name] }

    /// The tensors by name, without their order.
    public var dictionary: [String: Tensor] { tensorsByName }

    /// Adds a tensor and returns true, or returns false because the name is taken.
    mutating func append(_ tensor: Tensor, named name: String) -> Bool {
        guard tensorsByName.updateValue(tensor, forKey: name) == nil else { return false }
        names.append(name)
        return true
    }

    public func makeIterator() -> some IteratorProtocol<(name: String, tensor: Tensor)> {
        names.lazy.map { (name: $0, tensor: tensorsByName[$0]!) }.makeIterator()
    }

    /// A problem for every tensor that holds NaN or an infinity: a trained weight never does.
    func nonFiniteProblems() -> [CheckpointError.Problem] {
        compactMap { name, tensor in
            let count = tensor.nonFiniteCount
            guard count > 0 else { return nil }
            return CheckpointError.Problem(
                tensor: name, "\(count) of \(tensor.elementCount) elements are NaN or infinite")
        }
    }
}

extension Tensor {
    /// How many elements are NaN or infinite; 0 for whole numbers.
    package var nonFiniteCount: Int {
        // A float is not finite when all bits of its exponent are set.
        func count<Bits: FixedWidthInteger>(_ exponent: Bits) -> Int {
            withBytes { bytes in
                var count = 0
                for bits in bytes.bindMemory(to: Bits.self) { count += bits & exponent == exponent ? 1 : 0 }
                return count
            }
        }
        return switch elementType {
        case .float32: count(0x7F80_0000 as UInt32)
        case .bfloat16: count(0x7F80 as UInt16)
        case .float16: count(0x7C00 as UInt16)
        case .int64, .int32, .int8, .uint8, .bool: 0
        }
    }
}
