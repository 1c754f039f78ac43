import PandoTensor

/// Each number as the nearest of equal steps in its channel's range.
///
/// `x ← clip(x, low, high)`, `q = round((x - low) / step)`, `step = (high - low) / levels`; read back as
/// `low + step · q`. A channel's range reaches from the percentile's counterpart to the percentile of the fitted
/// numbers: a few outliers would stretch the steps of all.
/// - Source: truncation and uniform quantisation of FCM-LM (arXiv:2412.04307), with a range for each channel, and
///   rounding to nearest where their integers are truncated.
struct ScalarQuantizer: VectorCoder {
    /// The least number of each channel, and the distance of two steps; 0 in a channel of one number.
    let low, step: [Float]
    /// The highest step.
    let levels: UInt8
    private let inverse: [Float]

    /// - Parameter sample: vectors of `channels` numbers.
    init(fitting sample: [Float], channels: Int, bits: Int, percentile: Double) {
        let count = sample.count / channels
        let levels = Float((1 << bits) - 1)
        let cut = Int((1 - percentile / 100) * Double(max(count - 1, 0)))
        let ranges = (0..<channels).map { channel -> (low: Float, step: Float) in
            guard count > 0 else { return (0, 0) }
            let numbers = stride(from: channel, to: sample.count, by: channels).map { sample[$0] }.sorted()
            let (low, high) = (numbers[cut], numbers[count - 1 - cut])
            let step = high / levels - low / levels
            return (low, step.isNormal ? step : 0)
        }
        self.init(low: ranges.map(\.low), step: ranges.map(\.step), bits: bits)
    }

    private init(low: [Float], step: [Float], bits: Int) {
        self.low = low
        self.step = step
        levels = UInt8((1 << bits) - 1)
        inverse = step.map { $0 > 0 ? 1 / $0 : 0 }
    }

    init(_ parameters: [String: Tensor], channels: Int, bits: Int) throws(CodecObjection) {
        let low = try parameters.part("low", .float32, [channels]).scalars()
        let step = try parameters.part("step", .float32, [channels]).scalars()
        guard low.allSatisfy(\.isFinite), step.allSatisfy({ $0 == 0 || $0 > 0 && $0.isNormal }) else {
            throw CodecObjection(text: "a channel has no range")
        }
        self.init(low: low, step: step, bits: bits)
    }

    var parameters: [String: Tensor] { ["low": Tensor(low), "step": Tensor(step)] }

    func encode(_ values: UnsafeBufferPointer<Float>) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: values.count) { steps, count in
            for start in stride(from: 0, to: values.count, by: low.count) {
                for channel in low.indices {
                    let place = (values[start + channel] - low[channel]) * inverse[channel]
                    // Of a number and what is none, these give the number.
                    let nearest = Float.minimum(Float.maximum(place + 0.5, 0), Float(levels))
                    steps.initializeElement(at: start + channel, to: UInt8(nearest))
                }
            }
            count = values.count
        }
    }

    func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
        require(bytes.count == values.count, "ScalarQuantizer: \(bytes.count) bytes are not \(values.count) numbers")
        let channels = low.count
        low.withUnsafeBufferPointer { low in
            step.withUnsafeBufferPointer { step in
                for start in stride(from: 0, to: values.count, by: channels) {
                    for channel in 0..<channels {
                        let value = low[channel] + step[channel] * Float(bytes[start + channel])
                        values.initializeElement(at: start + channel, to: value)
                    }
                }
            }
        }
    }
}

extension [String: Tensor] {
    /// The tensor of a name.
    /// - Throws: when it is missing, or of another shape or type.
    func part(_ name: String, _ type: ElementType, _ shape: [Int]) throws(CodecObjection) -> Tensor {
        guard let tensor = self[name] else { throw CodecObjection(text: "there is no \(name)") }
        guard tensor.shape == shape, tensor.elementType == type else {
            throw CodecObjection(
                text: "\(name) is \(tensor.elementType) of shape \(tensor.shape), expected \(type) of shape \(shape)")
        }
        return tensor
    }
}
