import COneDNN

/// Values brought into the arrangement that a primitive wants for one of its arguments.
final class Packed {
    private let storage: Storage
    private let offset: Int

    var pointer: UnsafeMutableRawPointer { storage.pointer + offset }

    /// Counts the bytes as weights from now on.
    func countAsWeights() { storage.mark(as: .weights) }

    /// - Precondition: `values` is contiguous and `layout` says how oneDNN is to read it; its element type there is
    ///   replaced by the tensor's own.
    init(_ values: Tensor, _ layout: Layout, for primitive: Primitive, _ argument: Int32) {
        var layout = layout
        layout.type = values.elementType
        guard let reorder = primitive.reorder(of: argument, .from(layout)) else {
            storage = values.storage
            offset = values.offset * values.elementType.byteCount
            return
        }
        storage = Storage(byteCount: dnnl_memory_desc_get_size(primitive.layout(of: argument)))
        offset = 0
        withExtendedLifetime(values.storage) {
            reorder.run((DNNL_ARG_FROM, values.rawPointer), (DNNL_ARG_TO, storage.pointer))
        }
    }
}

/// Room for a result in the arrangement that a primitive writes, to be brought into a tensor's own afterwards.
final class Unpacked {
    private let target: Tensor
    private let reorder: Primitive?
    private let storage: Storage

    var pointer: UnsafeMutableRawPointer { storage.pointer }

    /// - Precondition: `target` stands at the beginning of its storage, as a new tensor does.
    init(into target: Tensor, _ layout: Layout, from primitive: Primitive, _ argument: Int32) {
        self.target = target
        var layout = layout
        layout.type = target.elementType
        reorder = primitive.reorder(of: argument, .to(layout))
        storage =
            reorder == nil
            ? target.storage : Storage(byteCount: dnnl_memory_desc_get_size(primitive.layout(of: argument)))
    }

    /// Brings the result into the tensor.
    func finish() {
        reorder?.run((DNNL_ARG_FROM, pointer), (DNNL_ARG_TO, target.rawPointer))
    }
}

/// How the values of a primitive's argument are brought from or to a caller's arrangement.
enum Arrangement: Hashable, Sendable {
    case from(Layout)
    case to(Layout)
}

extension Primitive {
    /// A new copy between a caller's arrangement and that of the argument; `nil` if both are the same.
    func makeReorder(of argument: Int32, _ arrangement: Arrangement) -> Primitive? {
        let own = layout(of: argument)
        let given: MemoryDescriptor
        let (from, to): (const_dnnl_memory_desc_t, const_dnnl_memory_desc_t)
        switch arrangement {
        case .from(let layout):
            given = MemoryDescriptor(layout)
            (from, to) = (given.handle, own)
        case .to(let layout):
            given = MemoryDescriptor(layout)
            (from, to) = (own, given.handle)
        }
        return withExtendedLifetime(given) {
            if dnnl_memory_desc_equal(from, to) != 0 { return nil }
            let primitive = Primitive(for: "a reorder") {
                dnnl_reorder_primitive_desc_create($0, from, CPUEngine.handle, to, CPUEngine.handle, $1)
            }
            guard let primitive else {
                stop("oneDNN has no implementation of a reorder between two of its own arrangements")
            }
            return primitive
        }
    }
}
