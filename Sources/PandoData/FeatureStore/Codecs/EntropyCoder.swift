import Foundation
import PandoTensor

/// The steps of a scalar quantiser in as few bits as their frequencies allow: rows become strings of bytes that differ
/// in length.
///
/// Channels are coded in groups; each group has the frequencies of its steps, learnt from the fitted rows. A row is
/// coded on its own, so that any can be read without the others; it costs 4 bytes more than its steps' information
/// `-∑ log₂ p`.
/// - Source: a `RangeEncoder` in place of the arithmetic coder of FCM-LM (arXiv:2412.04307). Frequencies do not adapt
///   within a row: rows are too short to learn from.
struct EntropyCoder: VectorCoder {
    static let groupSize = 32
    /// Frequencies are shares of `2¹²`.
    private static let scaleBits: UInt32 = 12
    private static let scale = 1 << Int(scaleBits)

    private let quantizer: ScalarQuantizer
    /// Of each group's steps, in shares of `scale`; none is 0.
    private let frequencies: [[UInt32]]
    /// How often smaller steps come.
    private let starts: [[UInt32]]
    /// For each group and each share of `scale`: whose it is (8 bits), its frequency less one (12 bits), and how far
    /// into it the share is (12 bits).
    private let slots: [UInt32]

    init(fitting sample: [Float], channels: Int, bits: Int, percentile: Double) {
        let quantizer = ScalarQuantizer(fitting: sample, channels: channels, bits: bits, percentile: percentile)
        let groupCount = (channels + Self.groupSize - 1) / Self.groupSize
        var counts = [[Double]](repeating: [Double](repeating: 0, count: 1 << bits), count: groupCount)
        for (index, step) in sample.withUnsafeBufferPointer(quantizer.encode).enumerated() {
            counts[index % channels / Self.groupSize][Int(step)] += 1
        }
        self.init(quantizer, frequencies: counts.map { Shares.of($0, scaleBits: Self.scaleBits) })
    }

    private init(_ quantizer: ScalarQuantizer, frequencies: [[UInt32]]) {
        self.quantizer = quantizer
        self.frequencies = frequencies
        starts = frequencies.map(Shares.starts)
        slots = frequencies.flatMap { group in
            group.enumerated().flatMap { step, frequency in
                (0..<frequency).map { UInt32(step) << 24 | (frequency - 1) << 12 | $0 }
            }
        }
    }

    init(_ parameters: [String: Tensor], channels: Int, bits: Int) throws(CodecObjection) {
        let quantizer = try ScalarQuantizer(parameters, channels: channels, bits: bits)
        let (groupCount, stepCount) = ((channels + Self.groupSize - 1) / Self.groupSize, 1 << bits)
        let all = try parameters.part("frequencies", .int32, [groupCount, stepCount]).scalars(as: Int32.self)
        let groups = (0..<groupCount).map { all[$0 * stepCount..<($0 + 1) * stepCount] }
        let areShares = groups.allSatisfy { group in
            group.allSatisfy { $0 > 0 } && group.reduce(0) { $0 + Int($1) } == Self.scale
        }
        guard areShares else { throw CodecObjection(text: "frequencies are not shares of \(Self.scale)") }
        self.init(quantizer, frequencies: groups.map { $0.map { UInt32($0) } })
    }

    var parameters: [String: Tensor] {
        let shape = [frequencies.count, frequencies[0].count]
        let shares = Tensor(frequencies.flatMap { $0.map { Int32($0) } }, shape: shape)
        return quantizer.parameters.merging(["frequencies": shares]) { $1 }
    }

    /// How many bits the model says the steps of `values` need: what `encode` comes close to.
    func information(of values: UnsafeBufferPointer<Float>) -> Double {
        quantizer.encode(values).enumerated().reduce(0) { bits, step in
            let group = step.offset % quantizer.low.count / Self.groupSize
            return bits - log2(Double(frequencies[group][Int(step.element)]) / Double(Self.scale))
        }
    }

    func encode(_ values: UnsafeBufferPointer<Float>) -> [UInt8] {
        let steps = quantizer.encode(values)
        var encoder = RangeEncoder(capacity: steps.count)
        // What is read first is written last.
        for (index, step) in steps.enumerated().reversed() {
            let group = index % quantizer.low.count / Self.groupSize
            encoder.put(frequencies[group][Int(step)], after: starts[group][Int(step)], of: Self.scaleBits)
        }
        return encoder.finish()
    }

    func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
        let channels = quantizer.low.count
        var decoder = RangeDecoder(bytes)
        slots.withUnsafeBufferPointer { slots in
            quantizer.low.withUnsafeBufferPointer { low in
                quantizer.step.withUnsafeBufferPointer { step in
                    for start in stride(from: 0, to: values.count, by: channels) {
                        for channel in 0..<channels {
                            let slot = Int(decoder.share(of: Self.scaleBits))
                            let entry = slots[channel / Self.groupSize * Self.scale + slot]
                            decoder.advance(entry >> 12 & 0xFFF &+ 1, entry & 0xFFF, of: Self.scaleBits)
                            values.initializeElement(
                                at: start + channel, to: low[channel] + step[channel] * Float(entry >> 24))
                        }
                    }
                }
            }
        }
    }
}
