/// How real values stand as 8-bit integers: `value = scale · (stored − zeroPoint)`.
struct Encoding: Hashable, Sendable {
    /// `.int8` or `.uint8`.
    let type: ElementType
    let scale: Float
    let zeroPoint: Int32

    /// The finest encoding of the values in `range`, in which zero is exact: unsigned where no value is negative, else
    /// signed and symmetric.
    ///
    /// - Parameter allowsZeroPoint: whether values that lie mostly on one side may be shifted.
    init(_ range: ActivationRange, allowingZeroPoint allowsZeroPoint: Bool) {
        let (lower, upper) = (min(range.lower, 0), max(range.upper, 0))
        let symmetric = max(-lower, upper) / 127
        let shifted = (upper - lower) / 255
        if lower == 0 {
            (type, scale, zeroPoint) = (.uint8, Self.usable(upper / 255), 0)
        } else if allowsZeroPoint, shifted < 0.75 * symmetric {
            let step = Self.usable(shifted)
            (type, scale, zeroPoint) = (.uint8, step, Int32((-lower / step).rounded(.toNearestOrEven)))
        } else {
            (type, scale, zeroPoint) = (.int8, Self.usable(symmetric), 0)
        }
    }

    /// A step that can be divided by: values that are all zero need none.
    private static func usable(_ step: Float) -> Float { step >= .leastNormalMagnitude * 512 ? step : 1 }

    /// The nearest values that the encoding holds, ties to even; what is outside is brought to the nearest end.
    func rounded(_ values: Tensor) -> Tensor {
        let (lowest, highest): (Float, Float) = type == .uint8 ? (0, 255) : (-128, 127)
        let (inverse, shift) = (1 / scale, Float(zeroPoint))
        return values.withScalars { source in
            Tensor(unsafeUninitialized: values.shape, of: Float.self) { target in
                for index in target.indices {
                    let stored = (source[index] * inverse).rounded(.toNearestOrEven) + shift
                    target[index] = (min(max(stored, lowest), highest) - shift) * scale
                }
            }
        }
    }
}

/// Weights as 8-bit integers, symmetric, with a scale for each output channel.
struct EncodedWeights: Sendable {
    /// `int8`, in the weights' shape.
    let stored: Tensor
    /// `[O]`, `float32`.
    let scales: Tensor

    /// The largest stored magnitude; −128 is left out so that signs are alike.
    static let limit: Float = 127

    /// - Parameter factors: of the channels that a linear map reads, to multiply the weights by first.
    /// - Shapes: `weights` `[O, …]`.
    init(_ weights: Tensor, factors: [Float]? = nil) {
        let exact = weights.cast(to: .float32)
        let weights = factors.map { exact * Tensor($0) } ?? exact
        let channels = weights.shape[0]
        let size = channels == 0 ? 0 : weights.elementCount / channels
        var scales = [Float](repeating: 1, count: channels)
        stored = weights.withScalars { source in
            Tensor(unsafeUninitialized: weights.shape, of: Int8.self) { target in
                for channel in 0..<channels {
                    let row = channel * size..<(channel + 1) * size
                    var largest: Float = 0
                    for index in row { largest = max(largest, abs(source[index])) }
                    if largest >= .leastNormalMagnitude * 512 { scales[channel] = largest / Self.limit }
                    let inverse = 1 / scales[channel]
                    for index in row {
                        let value = (source[index] * inverse).rounded(.toNearestOrEven)
                        target[index] = Int8(min(max(value, -Self.limit), Self.limit))
                    }
                }
            }
        }
        self.scales = Tensor(scales)
    }

    /// The weights that the integers stand for.
    var decoded: Tensor {
        let factor = scales.reshaped([scales.elementCount] + [Int](repeating: 1, count: stored.rank - 1))
        return stored.cast(to: .float32) * factor
    }
}
