import PandoTensor

/// A codec with all that it learnt, ready to code rows of one shape.
public struct FittedCodec: Sendable {
    let layout: FeatureLayout
    private let coder: any VectorCoder

    /// Vectors that a codec learns from at most.
    static let sampleLimit = 1 << 14

    public var codec: FeatureCodec { layout.codec }

    /// Learns from rows.
    /// - Parameter lengths: how many steps each row has, if they vary; what follows is padding.
    /// - Shapes: `rows` `[N, …]` in any floating-point type.
    /// - Precondition: rows that the codec can keep, at least one axis each; finite numbers.
    public init(_ codec: FeatureCodec, fitting rows: Tensor, lengths: [Int]? = nil) {
        let layout = FeatureLayout(codec, givenShape: Array(rows.shape.dropFirst()), isVarying: lengths != nil)
        if let problem = codec.problem(with: layout.givenShape, isVarying: layout.isVarying) {
            stop("FittedCodec: \(problem)")
        }
        self.init(layout, fitting: [FeatureBatch("rows", rows, lengths: lengths, rowCount: rows.shape[0], layout: layout)])
    }

    /// Learns from the vectors of `batches`, of which it takes some, evenly, if there are many.
    init(_ layout: FeatureLayout, fitting batches: [FeatureBatch]) {
        self.layout = layout
        let channels = layout.channels
        let sample = layout.codec.coding.isFitted ? Self.sample(batches, layout) : []
        coder = switch layout.codec.coding {
        case .float32: Float32Coder()
        case .bfloat16: BFloat16Coder()
        case .int8(let percentile):
            ScalarQuantizer(fitting: sample, channels: channels, bits: 8, percentile: percentile)
        case .uniform(let bits, let percentile):
            EntropyCoder(fitting: sample, channels: channels, bits: bits, percentile: percentile)
        case .productQuantization(let length):
            ProductQuantizer(fitting: sample, channels: channels, length: length)
        }
    }

    /// - Throws: `CodecObjection` when these are not the parameters of such a codec.
    init(_ layout: FeatureLayout, parameters: [String: Tensor]) throws(CodecObjection) {
        self.layout = layout
        let channels = layout.channels
        switch layout.codec.coding {
        case .float32: coder = Float32Coder()
        case .bfloat16: coder = BFloat16Coder()
        case .int8: coder = try ScalarQuantizer(parameters, channels: channels, bits: 8)
        case .uniform(let bits, _): coder = try EntropyCoder(parameters, channels: channels, bits: bits)
        case .productQuantization(let length):
            coder = try ProductQuantizer(parameters, channels: channels, length: length)
        }
    }

    var parameters: [String: Tensor] { coder.parameters }

    /// The bytes of one row: of its own steps alone, if it varies.
    func encode(_ row: UnsafeBufferPointer<Float>, length: Int) -> [UInt8] {
        layout.withMeans(of: row, length: length, coder.encode)
    }

    /// Writes the row that `bytes` were made of, as many numbers as `values` has places.
    func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
        coder.decode(bytes, into: values)
    }

    private static func sample(_ batches: [FeatureBatch], _ layout: FeatureLayout) -> [Float] {
        let channels = layout.channels
        let vectorCount = batches.reduce(0) { $0 + $1.vectorCount(layout) }
        let every = max(1, (vectorCount + sampleLimit - 1) / sampleLimit)
        var (sample, position): ([Float], Int) = ([], 0)
        for batch in batches {
            for row in 0..<batch.rowCount {
                batch.withRow(row) { numbers, length in
                    layout.withMeans(of: numbers, length: length) { means in
                        for start in stride(from: 0, to: means.count, by: channels) {
                            if position % every == 0 { sample += means[start..<start + channels] }
                            position += 1
                        }
                    }
                }
            }
        }
        return sample
    }
}

/// What a codec loses and takes on some rows.
public struct CodecLoss: Sendable, Hashable, Codable {
    /// The root mean square of the error of what is read, as a share of that of what was coded (after averaging).
    public var relativeError: Double
    /// Bits for each number of the rows (before averaging).
    public var bitsPerPoint: Double
}

extension FittedCodec {
    /// The bytes of each row, all that `decode` needs beside the codec and the lengths.
    /// - Parameter lengths: how many steps each row has, if they vary.
    /// - Precondition: rows of the shape that the codec was fitted to, varying ones no longer.
    public func encode(_ rows: Tensor, lengths: [Int]? = nil) -> [[UInt8]] {
        let batch = FeatureBatch("rows", rows, lengths: lengths, rowCount: rows.shape[0], layout: layout)
        return Parallel.map(batch.rowCount, workers: MachineResources.allowedCores) { row in
            batch.withRow(row) { encode($0, length: $1) }
        }
    }

    /// The rows that `encode` made `bytes` of, after averaging; zeros follow the shorter ones' own steps.
    /// - Shapes: `[N, …]` in float32; the first axis of varying rows is as long as the longest of these.
    /// - Precondition: bytes of this codec; the lengths that were given to `encode`, exactly if rows vary.
    public func decode(_ bytes: [[UInt8]], lengths: [Int]? = nil) -> Tensor {
        require(
            layout.isVarying ? lengths?.count == bytes.count : lengths == nil,
            "FittedCodec: expected \(layout.isVarying ? "\(bytes.count)" : "no") lengths, got \(lengths?.count ?? 0)")
        let steps = lengths.map { $0.map { ($0 + codec.pooling - 1) / codec.pooling } }
        let shape = layout.shape(length: steps?.max() ?? 0)
        let (size, step) = (shape.elementCount, shape.dropFirst().reduce(1, *))
        return Tensor(unsafeUninitialized: [bytes.count] + shape, of: Float.self) { buffer in
            for (index, row) in bytes.enumerated() {
                let target = UnsafeMutableBufferPointer(rebasing: buffer[index * size..<(index + 1) * size])
                let own = steps.map { $0[index] * step } ?? size
                row.withUnsafeBytes { decode($0, into: UnsafeMutableBufferPointer(rebasing: target[..<own])) }
                target[own...].initialize(repeating: 0)
            }
        }
    }

    /// What is lost and taken by coding these rows.
    /// - Parameter lengths: how many steps each row has, if they vary.
    /// - Precondition: as of `encode`; at least one number.
    public func measure(_ rows: Tensor, lengths: [Int]? = nil) -> CodecLoss {
        let batch = FeatureBatch("rows", rows, lengths: lengths, rowCount: rows.shape[0], layout: layout)
        let parts = Parallel.map(batch.rowCount, workers: MachineResources.allowedCores) { row in
            batch.withRow(row) { numbers, length in
                let bytes = encode(numbers, length: length)
                return layout.withMeans(of: numbers, length: length) { means in
                    let read = [Float](unsafeUninitializedCapacity: means.count) { buffer, count in
                        let target = UnsafeMutableBufferPointer(rebasing: buffer[..<means.count])
                        bytes.withUnsafeBytes { decode($0, into: target) }
                        count = means.count
                    }
                    var (error, power) = (0.0, 0.0)
                    for (mean, value) in zip(means, read) {
                        error += Double(value - mean) * Double(value - mean)
                        power += Double(mean) * Double(mean)
                    }
                    return (error: error, power: power, byteCount: bytes.count, pointCount: numbers.count)
                }
            }
        }
        let (error, power) = parts.reduce((0, 0)) { ($0.0 + $1.error, $0.1 + $1.power) }
        let (byteCount, pointCount) = parts.reduce((0, 0)) { ($0.0 + $1.byteCount, $0.1 + $1.pointCount) }
        require(pointCount > 0, "FittedCodec: there is nothing to measure in rows of shape \(rows.shape)")
        return CodecLoss(
            relativeError: power > 0 ? (error / power).squareRoot() : 0,
            bitsPerPoint: Double(8 * byteCount) / Double(pointCount))
    }
}
