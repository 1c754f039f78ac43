import PandoTensor

/// One feature of a shard's rows, as bytes that stay in the file (see `FeatureLayout`).
struct StoredFeature: Sendable {
    /// Why tensors are not the rows of a feature.
    struct Objection: Error {
        let text: String
    }

    private let values: Tensor
    /// Where each row begins and the last ends, along the first axis; nil if every row is one entry of that.
    private let offsets: [Int]?
    /// How many steps each row has; nil if that is not stored beside the offsets.
    private let lengths: [Int]?

    /// - Throws: `Objection` when tensors are missing, of another shape or element type, or lead outside the values.
    init(_ name: String, in tensors: NamedTensors, rowCount: Int, layout: FeatureLayout) throws(Objection) {
        func part(_ name: String, _ type: ElementType, _ shape: [Int?]) throws(Objection) -> Tensor {
            guard let tensor = tensors[name] else { throw Objection(text: "the shard has no feature \(name)") }
            let isExpected = tensor.rank == shape.count && zip(tensor.shape, shape).allSatisfy { $1 == nil || $0 == $1 }
            guard isExpected, tensor.elementType == type else {
                let expected = "[" + shape.map { $0.map(String.init) ?? "any" }.joined(separator: ", ") + "]"
                throw Objection(
                    text: "feature \(name) is \(tensor.elementType) of shape \(tensor.shape), expected \(type) of shape "
                        + expected)
            }
            return tensor
        }
        let first = layout.hasOffsets ? nil : rowCount
        values = try part(name, layout.codec.coding.storedType, [first] + layout.storedShape)
        guard layout.hasOffsets else {
            (offsets, lengths) = (nil, nil)
            return
        }
        let offsetsName = name + FeatureLayout.offsetsSuffix
        let offsets = try part(offsetsName, .int64, [rowCount + 1]).scalars(as: Int64.self)
        guard offsets.first == 0, zip(offsets, offsets.dropFirst()).allSatisfy({ $0 <= $1 }),
            offsets.last == Int64(values.shape[0])
        else { throw Objection(text: "\(offsetsName) leads outside the \(values.shape[0]) entries of \(name)") }
        self.offsets = offsets.map(Int.init)
        let rows = layout.hasLengths ? try part(name + FeatureLayout.lengthsSuffix, .int32, [rowCount]) : nil
        lengths = rows?.scalars(as: Int32.self).map(Int.init)
        guard !layout.isVarying || (0..<rowCount).allSatisfy({ (0...layout.shape[0]).contains(length(of: $0)) }) else {
            throw Objection(text: "a row of feature \(name) is longer than the \(layout.shape[0]) steps that it may have")
        }
    }

    /// How many steps a row of a varying feature has.
    func length(of row: Int) -> Int {
        if let lengths { return lengths[row] }
        guard let offsets else { return 0 }
        return offsets[row + 1] - offsets[row]
    }

    /// Calls `body` with the bytes of a row.
    func withBytes(of row: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        let entries = offsets.map { $0[row]..<$0[row + 1] } ?? row..<row + 1
        let size = values.shape.dropFirst().reduce(1, *) * values.elementType.byteCount
        values.withBytes { bytes in
            body(UnsafeRawBufferPointer(rebasing: bytes[entries.lowerBound * size..<entries.upperBound * size]))
        }
    }
}
