/// How the layers of one frozen function are computed in 8-bit integers: the range of each layer's input, found on
/// data, and the layers that stay in higher precision because they would lose too much.
///
/// A layer is a convolution or linear map with constant weights. Its weights become `int8` with a scale for each output
/// channel, its input `uint8` or `int8` with one scale, after channels of very different sizes were brought to similar
/// ones where that costs nothing; sums are exact, biases and activations `float32`. The value is small and can be
/// stored: it holds no weights and fits every input shape of the function, and no other function.
///
/// - Source: Jacob et al. 2018 (arXiv:1712.05877), section 2; Wu et al. 2020 (arXiv:2004.09602) for calibration and for
///   keeping the most sensitive layers.
public struct Quantization: Sendable, Hashable, Codable {
    /// How the range of a layer's input is chosen from the values seen.
    public enum Method: Sendable, Hashable, Codable {
        /// From the smallest to the largest value.
        case minMax
        /// What holds this many per cent of the values; the rest is clipped.
        case percentile(Double)
        /// What gives the smallest mean squared error of the encoded values.
        case meanSquaredError
    }

    /// What is known of one layer.
    public struct Layer: Sendable, Hashable, Codable {
        /// Kind and weight shape, such as `linear [1536, 384]`.
        public let name: String
        /// The ends of the input's range; values outside are clipped.
        public let lower, upper: Float
        /// What each channel of the input is divided by before it is encoded, its weights being multiplied by it; `nil`
        /// for nothing.
        public let factors: [Float]?
        /// The loss on a few examples with this layer alone in 8 bits; measured only where layers had to be kept.
        public internal(set) var lossAlone: Float?
        /// Whether the layer stays in higher precision.
        public internal(set) var isKept = false

        init(name: String, range: ActivationRange, factors: [Float]? = nil) {
            self.name = name
            (lower, upper) = (range.lower, range.upper)
            self.factors = factors
        }

        var range: ActivationRange { ActivationRange(lower: lower, upper: upper) }
    }

    /// How the ranges were chosen.
    public let method: Method
    /// In the order in which the function computes them.
    public private(set) var layers: [Layer]
    /// One minus the mean cosine between the function's results with and without quantization, on the calibration data.
    public let loss: Float
    /// Tells the function's layers and weights from others.
    public let fingerprint: String

    init(method: Method, layers: [Layer], loss: Float, fingerprint: String) {
        self.method = method
        self.layers = layers
        self.loss = loss
        self.fingerprint = fingerprint
    }

    /// Positions of the layers that stay in higher precision.
    public var keptLayers: [Int] { layers.indices.filter { layers[$0].isKept } }

    /// The same ranges, with the layers at `positions` in higher precision too; `loss` stays what was measured before.
    public func keeping(_ positions: some Sequence<Int>) -> Quantization {
        var copy = self
        for position in positions {
            require(layers.indices.contains(position), "quantization: no layer \(position) among \(layers.count)")
            copy.layers[position].isKept = true
        }
        return copy
    }

    /// Whether programs of `function` can be quantized as this says.
    ///
    /// - Throws: `otherFunction`, `invalidRange` or `invalidFactors`, where they cannot.
    public func check(inputs: [Program.Input], _ function: ([Tensor]) -> [Tensor]) throws(QuantizationError) {
        try check(against: Graph(tracing: inputs, function))
    }

    /// - Throws: `otherFunction`, `invalidRange` or `invalidFactors`, where this cannot be used for `graph`.
    func check(against graph: Graph) throws(QuantizationError) {
        let found = graph.quantizableLayers
        let expected = found.fingerprint
        guard expected == fingerprint, found.count == layers.count else {
            throw .otherFunction(expected: expected, found: fingerprint)
        }
        for (position, layer) in layers.enumerated() {
            guard layer.range.isValid else {
                throw .invalidRange(layer: position, lower: layer.lower, upper: layer.upper)
            }
            guard let factors = layer.factors else { continue }
            guard found[position].convolution == nil, factors.count == found[position].weight.shape[1],
                factors.allSatisfy({ $0.isNormal && $0 > 0 })
            else { throw .invalidFactors(layer: position) }
        }
    }
}

/// Why a function cannot be quantized.
public enum QuantizationError: Error, Hashable, CustomStringConvertible {
    /// No calibration batch holds an example.
    case noData
    /// An input of the layer is infinite or not a number.
    case nonFiniteInput(layer: Int, name: String)
    /// The quantization was made for a function with other layers or other weights.
    case otherFunction(expected: String, found: String)
    /// The stored range of a layer's input is no range.
    case invalidRange(layer: Int, lower: Float, upper: Float)
    /// The stored factors of a layer are not one positive number for each channel of its input.
    case invalidFactors(layer: Int)

    public var description: String {
        switch self {
        case .noData: "quantization: there is no calibration data"
        case .nonFiniteInput(let layer, let name):
            "quantization: on the calibration data, layer \(layer) (\(name)) reads values that are infinite or not a number"
        case .otherFunction(let expected, let found):
            "quantization: made for a function with fingerprint \(found), this one has \(expected)"
        case .invalidRange(let layer, let lower, let upper):
            "quantization: the range of layer \(layer), \(lower) to \(upper), is no range"
        case .invalidFactors(let layer):
            "quantization: the factors of layer \(layer) are not one positive number for each channel that it reads"
        }
    }
}
