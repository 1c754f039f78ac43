/// One step of a program, ready to run.
enum CompiledStep: Sendable {
    /// Primitives that write different parts of one value; any order will do, or all at once.
    case bands([Band])
    /// Computed as outside a program, on `float32` copies.
    case plain(any Operation, operands: [PlainOperand], output: Int)

    /// A primitive and what stands behind its arguments.
    struct Band: Sendable {
        let primitive: Primitive
        let arguments: [(Int32, Source)]
    }

    enum Source: Sendable {
        /// The place so many bytes into a value.
        case value(Int, byteOffset: Int)
        case constant(PackedWeights.Entry)
        /// Scales or zero points.
        case vector(Tensor)
    }

    enum PlainOperand: Sendable {
        case value(Int, shape: [Int])
        case constant(Tensor)
    }

    var primitives: [Primitive] {
        switch self {
        case .bands(let bands): bands.map(\.primitive)
        case .plain: []
        }
    }
}
