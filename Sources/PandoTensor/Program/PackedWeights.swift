import COneDNN
import Synchronization

/// Weights in the arrangements that primitives want, shared among programs of one function for several shapes, all
/// quantized alike or not at all.
public final class PackedWeights: Sendable {
    /// One packed tensor. `@unchecked Sendable`: never written after `init`; the descriptor belongs to `primitive`.
    final class Entry: @unchecked Sendable {
        private let storage: Packed
        fileprivate let primitive: Primitive
        fileprivate let argument: Int32

        var pointer: UnsafeMutableRawPointer { storage.pointer }

        fileprivate init(_ values: Tensor, _ layout: Layout, for primitive: Primitive, _ argument: Int32) {
            storage = Packed(values, layout, for: primitive, argument)
            storage.countAsWeights()
            self.primitive = primitive
            self.argument = argument
        }
    }

    private struct Key: Hashable {
        let step: Int
        let argument: Int32
        let type: ElementType
    }

    private let entries = Mutex<[Key: [Entry]]>([:])
    private let scales = Mutex<[Int: Tensor]>([:])
    private let quantization = Mutex<Quantization?>(nil)

    public init() {}

    /// The values for `argument` of step `step`, packed as `primitive` wants; packed now, or by an earlier program
    /// that wanted the same.
    func packed(
        _ values: @autoclosure () -> Tensor, _ layout: Layout, type: ElementType, step: Int, for primitive: Primitive,
        _ argument: Int32
    ) -> Entry {
        let key = Key(step: step, argument: argument, type: type)
        let wanted = primitive.layout(of: argument)
        let known = entries.withLock { $0[key] ?? [] }
        if let entry = known.first(where: {
            dnnl_memory_desc_equal($0.primitive.layout(of: $0.argument), wanted) != 0
        }) {
            return entry
        }
        let entry = Entry(values().cast(to: type).contiguous(), layout, for: primitive, argument)
        entries.withLock { $0[key, default: []].append(entry) }
        return entry
    }

    /// Stops the program if the weights are shared with programs that are quantized in another way.
    func belong(to quantization: Quantization) {
        self.quantization.withLock { known in
            require(
                known == nil || known == quantization, "program: weights are shared by programs quantized differently")
            known = quantization
        }
    }

    /// The scales of the 8-bit weights of step `step`, computed now or for an earlier program.
    func channelScales(step: Int, _ compute: () -> Tensor) -> Tensor {
        if let known = scales.withLock({ $0[step] }) { return known }
        let computed = compute()
        scales.withLock { $0[step] = computed }
        return computed
    }
}
