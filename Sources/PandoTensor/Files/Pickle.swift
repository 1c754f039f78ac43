/// What a pickle of tensors describes, read without running anything.
///
/// Values refer to containers, storages and tensors by number, so that nesting of any depth, sharing and cycles
/// cost nothing to hold or to let go; whoever walks them bounds the depth.
struct Pickle {
    enum Value {
        case none
        case bool(Bool)
        case integer(Int)
        /// The little-endian two's complement of a number too large for `Int`.
        case largeInteger([UInt8])
        case float(Double)
        case string(String)
        case bytes
        /// A number in `containers`.
        case container(Int)
        /// A number in `storages`.
        case storage(Int)
        /// A number in `tensors`.
        case tensor(Int)
        case global(PickleGlobal)
        /// A device or an element type: read, of no use here.
        case ignored
    }

    struct Container {
        enum Kind { case tuple, list, dictionary }
        let kind: Kind
        /// A dictionary's keys and values in turn.
        var items: [Value]
    }

    /// Bytes kept outside the pickle, under a key.
    struct StorageReference {
        let key: String
        let type: PickleStorageType
        /// In elements.
        let count: Int
    }

    /// A strided window on a storage; offset, shape and strides count elements, and stay inside it.
    struct TensorDescription {
        let storage: Int
        let offset: Int
        let shape: [Int]
        let strides: [Int]
    }

    /// Why a pickle was refused.
    struct ReadError: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    var root: Value = .none
    var containers: [Container] = []
    var storages: [StorageReference] = []
    var tensors: [TensorDescription] = []

    static let sizeLimit = 64 << 20

    /// The items of the container that `value` is, if it is one of `kind`.
    func items(of value: Value, _ kind: Container.Kind) -> [Value]? {
        guard case .container(let number) = value, containers[number].kind == kind else { return nil }
        return containers[number].items
    }

    /// What a dictionary holds under a string.
    func value(of key: String, in dictionary: Value) -> Value? {
        guard let items = items(of: dictionary, .dictionary) else { return nil }
        for index in stride(from: 0, to: items.count, by: 2) {
            if case .string(key) = items[index] { return items[index + 1] }
        }
        return nil
    }
}

/// The names that a pickle may mention. Every other name is refused, because resolving it would import, and
/// calling it would run, code that the file chose.
enum PickleGlobal {
    case orderedDictionary
    case rebuildTensor
    case rebuildParameter
    case size
    case device
    case elementType
    case storage(PickleStorageType)

    init(module: String, name: String) throws(Pickle.ReadError) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("torch", "Size"): self = .size
        case ("torch", "device"): self = .device
        case ("torch", _) where Self.elementTypes.contains(name): self = .elementType
        default:
            if module == "torch", let type = PickleStorageType(className: name) {
                self = .storage(type)
                return
            }
            throw Pickle.ReadError(
                "it names \(module).\(name), and loading that would run code which the file chose. "
                    + "Only tensors in dictionaries, lists and tuples are read: save the model's state_dict, "
                    + "or better convert it to safetensors, where you trust the file")
        }
    }

    private static let elementTypes: Set<String> = [
        "float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
    ]
}

/// The element type of a storage, as the name of its class tells it.
enum PickleStorageType: Equatable {
    case supported(ElementType)
    /// One that there is no tensor of, by PyTorch's name; refused when the tensor's name is known.
    case unsupported(String)

    init?(className: String) {
        switch className {
        case "FloatStorage": self = .supported(.float32)
        case "HalfStorage": self = .supported(.float16)
        case "BFloat16Storage": self = .supported(.bfloat16)
        case "LongStorage": self = .supported(.int64)
        case "IntStorage": self = .supported(.int32)
        case "CharStorage": self = .supported(.int8)
        case "ByteStorage": self = .supported(.uint8)
        case "BoolStorage": self = .supported(.bool)
        case "DoubleStorage": self = .unsupported("float64")
        case "ShortStorage": self = .unsupported("int16")
        case "ComplexFloatStorage": self = .unsupported("complex64")
        case "ComplexDoubleStorage": self = .unsupported("complex128")
        default: return nil
        }
    }

    /// Bytes of one element.
    var byteCount: Int {
        switch self {
        case .supported(let type): type.byteCount
        case .unsupported("int16"): 2
        case .unsupported("complex128"): 16
        case .unsupported: 8
        }
    }
}
