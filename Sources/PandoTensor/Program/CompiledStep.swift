/// One step of a program, ready to run.
enum CompiledStep: Sendable {
    /// Primitives that write different parts of one value; any order will do, or all at once.
    case bands([Band])
    /// Parts of one attention; any order will do, or all at once.
    case attention([AttentionPart])
    /// Values put where they belong in another; any order will do, or all at once.
    case copies([Copy])
    /// Computed as outside a program.
    case plain(any Operation, operands: [PlainOperand], output: Int)

    /// A primitive and what stands behind its arguments.
    struct Band: Sendable {
        let primitive: Primitive
        let arguments: [(Int32, Source)]
    }

    struct AttentionPart: Sendable {
        let kernel: AttentionKernel
        /// Key heads of samples.
        let units: Range<Int>
        let query, key, value, output: Source
        let mask: Source?
    }

    struct Copy: Sendable {
        let source, destination: Source
        let shape, sourceStrides, destinationStrides: [Int]
    }

    enum Source: Sendable {
        /// The place so many bytes into a value.
        case value(Int, byteOffset: Int)
        case constant(PackedWeights.Entry)
        /// Values as they stand: scales or zero points, parameters, a constant mask.
        case vector(Tensor)
    }

    enum PlainOperand: Sendable {
        case value(Int, shape: [Int])
        case constant(Tensor)
    }

    var primitives: [Primitive] {
        switch self {
        case .bands(let bands): bands.map(\.primitive)
        case .attention, .copies, .plain: []
        }
    }
}
