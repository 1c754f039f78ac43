import PandoTensor

/// A codec with all that it needs to code rows of one shape.
struct FittedCodec: Sendable {
    let layout: FeatureLayout
    private let coder: any VectorCoder

    /// A codec that has nothing to learn from the numbers.
    init(_ layout: FeatureLayout) {
        self.layout = layout
        switch layout.codec.coding {
        case .float32: coder = Float32Coder()
        case .bfloat16: coder = BFloat16Coder()
        }
    }

    /// The bytes of one row: of its own steps alone, if it varies.
    func encode(_ row: UnsafeBufferPointer<Float>, length: Int) -> [UInt8] {
        let size = layout.codec.pooling
        guard size > 1 else { return coder.encode(row) }
        let shape = layout.isVarying ? [length] + layout.givenShape.dropFirst() : layout.givenShape
        return Pooling.means(of: row, shape: shape, size: size).withUnsafeBufferPointer(coder.encode)
    }

    /// Writes the row that `bytes` were made of, as many numbers as `values` has places.
    func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
        coder.decode(bytes, into: values)
    }
}
