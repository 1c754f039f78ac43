import PandoTensor

/// How the rows of one feature stand in a shard.
///
/// - Rows of one shape: `NAME` `[rows, …, width]`.
/// - Rows of a length of their own: `NAME` `[sum of lengths, …, width]`, and `NAME.offsets` `[rows + 1]`: where each row
///   begins, and where the last one ends.
/// - Rows whose bytes depend on their numbers: `NAME` `[bytes]`, and `NAME.offsets` `[rows + 1]` in bytes; if they vary
///   also `NAME.lengths` `[rows]`.
///
/// `width` is what the codec makes of a vector, the last axis; elements are of the codec's type. Offsets are `int64`,
/// lengths `int32`.
struct FeatureLayout: Sendable, Hashable {
    let codec: FeatureCodec
    /// Whether the first axis is as long as each row has it.
    let isVarying: Bool
    /// What is appended: a row's shape, the longest if it varies.
    let givenShape: [Int]
    /// What is stored: the same after averaging.
    let shape: [Int]

    static let offsetsSuffix = ".offsets", lengthsSuffix = ".lengths"

    init(_ codec: FeatureCodec, givenShape: [Int], isVarying: Bool) {
        self.codec = codec
        self.isVarying = isVarying
        self.givenShape = givenShape
        shape = codec.pooledShape(givenShape)
    }

    /// The last axis: how long a vector is. A row without axes is one number.
    var channels: Int { shape.last ?? 1 }

    /// Stored elements of a vector; nil if that depends on its numbers.
    var width: Int? { codec.coding.width(channels: channels) }

    var hasOffsets: Bool { isVarying || width == nil }
    var hasLengths: Bool { isVarying && width == nil }

    /// The axes of a shard's tensor after its first.
    var storedShape: [Int] {
        guard let width, !shape.isEmpty else { return [] }
        return shape.dropFirst(isVarying ? 1 : 0).dropLast() + [width]
    }

    /// The shape of a stored row of so many steps.
    func shape(length: Int) -> [Int] { isVarying ? [length] + shape.dropFirst() : shape }

    /// Calls `body` with what is coded of a row: its numbers, or the means of neighbours.
    func withMeans<Result>(
        of row: UnsafeBufferPointer<Float>, length: Int, _ body: (UnsafeBufferPointer<Float>) -> Result
    ) -> Result {
        guard codec.pooling > 1 else { return body(row) }
        let shape = isVarying ? [length] + givenShape.dropFirst() : givenShape
        return Pooling.means(of: row, shape: shape, size: codec.pooling).withUnsafeBufferPointer(body)
    }

    /// Bytes of a row, the longest if it varies; about so many where they depend on the numbers.
    var bytesPerRow: Int { shape.dropLast().reduce(1, *) * codec.coding.expectedBytes(channels: channels) }
}
