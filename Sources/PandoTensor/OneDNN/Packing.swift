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
        let source = MemoryDescriptor(layout)
        let wanted = primitive.layout(of: argument)
        if dnnl_memory_desc_equal(source.handle, wanted) != 0 {
            storage = values.storage
            offset = values.offset * values.elementType.byteCount
            return
        }
        storage = Storage(byteCount: dnnl_memory_desc_get_size(wanted))
        offset = 0
        withExtendedLifetime((source, values.storage)) {
            reorder(source.handle, values.rawPointer, to: wanted, storage.pointer)
        }
    }
}

/// Room for a result in the arrangement that a primitive writes, to be brought into a tensor's own afterwards.
final class Unpacked {
    private let target: Tensor
    private let layout: Layout
    private let written: const_dnnl_memory_desc_t
    private let primitive: Primitive
    private let storage: Storage

    var pointer: UnsafeMutableRawPointer { storage.pointer }

    init(into target: Tensor, _ layout: Layout, from primitive: Primitive, _ argument: Int32) {
        self.target = target
        self.layout = Layout(layout.dimensions, strides: layout.strides, target.elementType)
        self.primitive = primitive
        written = primitive.layout(of: argument)
        storage = Storage(byteCount: dnnl_memory_desc_get_size(written))
    }

    /// Brings the result into the tensor.
    func finish() {
        let wanted = MemoryDescriptor(layout)
        withExtendedLifetime((wanted, primitive)) { reorder(written, pointer, to: wanted.handle, target.rawPointer) }
    }
}

/// Copies values from one arrangement or element type to another.
func reorder(
    _ from: const_dnnl_memory_desc_t, _ source: UnsafeMutableRawPointer, to: const_dnnl_memory_desc_t,
    _ target: UnsafeMutableRawPointer
) {
    let primitive = Primitive(for: "a reorder") {
        dnnl_reorder_primitive_desc_create($0, from, CPUEngine.handle, to, CPUEngine.handle, $1)
    }
    guard let primitive else { stop("oneDNN has no implementation of a reorder between two of its own arrangements") }
    primitive.run((DNNL_ARG_FROM, source), (DNNL_ARG_TO, target))
}
