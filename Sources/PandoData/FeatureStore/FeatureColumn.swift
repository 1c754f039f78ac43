import PandoTensor

/// The rows of one feature while they are collected for a shard.
final class FeatureColumn {
    private let codec: FittedCodec
    private var bytes = GrowingBytes()
    /// Where each row begins, in steps or bytes (see `FeatureLayout`), and where the next one would.
    private var offsets: [Int64] = [0]
    private var lengths: [Int32] = []
    private var rowCount = 0

    init(_ codec: FittedCodec) { self.codec = codec }

    var byteCount: Int { bytes.count }

    /// Adds rows `range` of a batch.
    func append(_ batch: FeatureBatch, rows range: Range<Int>) {
        let (layout, codec) = (codec.layout, codec)
        let workers = layout.codec.coding.isFitted ? MachineResources.allowedCores : 1
        let rows = Parallel.map(range.count, workers: workers) { index in
            batch.withRow(range.lowerBound + index) { (bytes: codec.encode($0, length: $1), length: $1) }
        }
        for row in rows {
            bytes.append(row.bytes)
            rowCount += 1
            guard layout.hasOffsets else { continue }
            let steps = (row.length + layout.codec.pooling - 1) / layout.codec.pooling
            offsets.append(offsets[offsets.count - 1] + Int64(layout.width == nil ? row.bytes.count : steps))
            if layout.hasLengths { lengths.append(Int32(steps)) }
        }
    }

    /// The shard's tensors; the column is empty again.
    func tensors(named name: String) -> [String: Tensor] {
        let layout = codec.layout
        let first = layout.hasOffsets ? Int(offsets[offsets.count - 1]) : rowCount
        var tensors = [
            name: Tensor(
                sharing: bytes.filled, ownedBy: bytes, shape: [first] + layout.storedShape,
                elementType: layout.codec.coding.storedType)
        ]
        if layout.hasOffsets { tensors[name + FeatureLayout.offsetsSuffix] = Tensor(offsets) }
        if layout.hasLengths { tensors[name + FeatureLayout.lengthsSuffix] = Tensor(lengths) }
        bytes = GrowingBytes()
        (offsets, lengths, rowCount) = ([0], [], 0)
        return tensors
    }
}

/// Memory that rows are collected in and a shard is written from.
///
/// `@unchecked Sendable`: one column fills it; once `filled` is taken for a tensor, it is only read.
private final class GrowingBytes: @unchecked Sendable {
    private var memory: UnsafeMutableRawBufferPointer = .allocate(byteCount: 1 << 16, alignment: 64)
    private(set) var count = 0

    deinit { memory.deallocate() }

    var filled: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

    func append(_ bytes: [UInt8]) {
        if count + bytes.count > memory.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(count + bytes.count, 2 * memory.count), alignment: 64)
            larger.copyMemory(from: filled)
            memory.deallocate()
            memory = larger
        }
        UnsafeMutableRawBufferPointer(rebasing: memory[count..<count + bytes.count]).copyBytes(from: bytes)
        count += bytes.count
    }
}
