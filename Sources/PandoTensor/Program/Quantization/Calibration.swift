/// One calibration under way.
struct Calibration {
    typealias Example = (graph: Graph, inputs: [Tensor])

    /// Each batch with the graph of its shape.
    private let batches: [Example]
    /// A few examples, for what is run many times.
    private let sample: Example
    let quantizableLayers: [QuantizableLayer]
    private(set) var layers: [Quantization.Layer] = []
    private var decodedWeights: [Tensor] = []
    /// For each layer the first one that reads the same values.
    private var firstReaders: [Int] = []
    private var factors: [[Float]?] = []
    private var histograms: [ActivationHistogram] = []
    /// The function's results without quantization.
    private var outputs: [[Tensor]] = []

    init(batches: [Example], sample: Example) {
        self.batches = batches
        self.sample = sample
        quantizableLayers = batches[0].graph.quantizableLayers
    }

    /// Runs the function; `visit` gets the position and inputs of each layer and may replace the result.
    private func run(_ example: Example, _ visit: (Int, [Tensor]) -> Tensor?) -> [Tensor] {
        let layers = example.graph.quantizableLayers
        let positions = Dictionary(uniqueKeysWithValues: layers.indices.map { (layers[$0].node, $0) })
        return example.graph.evaluated(example.inputs) { node, inputs in positions[node].flatMap { visit($0, inputs) } }
    }

    // MARK: - Ranges

    /// Sees what values each layer reads: first between which limits, then which how often.
    mutating func see() throws(QuantizationError) {
        // Layers that read the same value share what is found of it, under the first one's position.
        firstReaders = quantizableLayers.map { layer in
            quantizableLayers.firstIndex {
                $0.source == layer.source && $0.weight.shape[1] == layer.weight.shape[1]
                    && ($0.convolution == nil) == (layer.convolution == nil)
            }!
        }
        var limits = [ChannelLimits](repeating: ChannelLimits(), count: quantizableLayers.count)
        outputs = batches.map { batch in
            run(batch) { position, inputs in
                if firstReaders[position] == position { limits[position].widen(by: inputs[0].cast(to: .float32)) }
                return nil
            }
        }
        for (position, limits) in limits.enumerated() where limits.hasNonFinite {
            throw .nonFiniteInput(layer: position, name: quantizableLayers[position].name)
        }
        factors = [[Float]?](repeating: nil, count: limits.count)
        for position in balancedLayers where firstReaders[position] == position {
            let readers = limits.indices.filter { firstReaders[$0] == position }.map { quantizableLayers[$0].weight }
            factors[position] = limits[position].factors(for: readers)
        }
        histograms = limits.indices.map { ActivationHistogram(limits[$0].range(dividedBy: factors[$0])) }
    }

    private mutating func countValues() {
        for batch in batches {
            var histograms = self.histograms
            _ = run(batch) { position, inputs in
                if firstReaders[position] == position {
                    let values = inputs[0].cast(to: .float32)
                    histograms[position].count(factors[position].map { values / Tensor($0) } ?? values)
                }
                return nil
            }
            self.histograms = histograms
        }
    }

    /// Takes the ranges of the method of `methods` that loses least.
    mutating func chooseRanges(by methods: [Quantization.Method]) -> Quantization.Method {
        if methods != [.minMax] { countValues() }
        var best: (method: Quantization.Method, layers: [Quantization.Layer], loss: Float)?
        for method in methods {
            layers = layers(by: method)
            decodedWeights = zip(quantizableLayers, layers).map { $0.decodedWeights($1) }
            let loss = methods.count == 1 ? 0 : loss(keeping: [])
            if best.map({ loss < $0.loss }) ?? true { best = (method, layers, loss) }
        }
        guard let best else { stop("quantization: no method to choose ranges by") }
        layers = best.layers
        return best.method
    }

    private func layers(by method: Quantization.Method) -> [Quantization.Layer] {
        quantizableLayers.enumerated().map { position, layer in
            let histogram = histograms[firstReaders[position]]
            let range: ActivationRange
            switch method {
            case .minMax: range = histogram.range
            case .percentile(let percent): range = histogram.range(holding: percent)
            case .meanSquaredError:
                range = histogram.rangeOfLeastError(allowingZeroPoint: layer.allowsZeroPoint)
            }
            return Quantization.Layer(name: layer.name, range: range, factors: factors[firstReaders[position]])
        }
    }

    /// Linear maps whose input is encoded by a step of its own, where a scale for each channel costs nothing.
    private var balancedLayers: Set<Int> {
        let graph = batches[0].graph
        let written = graph.fused().compactMap { step -> Int? in
            switch step.work {
            case .convolution, .linear: step.output
            default: nil
            }
        }
        return Set(
            quantizableLayers.indices.filter {
                quantizableLayers[$0].convolution == nil && !written.contains(quantizableLayers[$0].source)
            })
    }

    // MARK: - Loss

    /// Keeps the layers that lose most in higher precision, as few as are found to meet `maximumLoss`; the loss then.
    mutating func keepLayers(maximumLoss: Float) -> Float {
        let loss = loss(keeping: [])
        guard loss > maximumLoss else { return loss }
        let exact = [run(sample) { _, _ in nil }]
        for position in layers.indices {
            layers[position].lossAlone = meanLoss([run(sample) { $0 == position ? quantized($0, $1) : nil }], exact)
        }
        let losses = layers.map { $0.lossAlone ?? 0 }
        let order = losses.indices.sorted { (losses[$0], $1) > (losses[$1], $0) }
        // Too few are kept with `low`, enough with `found.count`: keeping all loses nothing.
        var (low, found) = (0, (count: order.count, loss: Float(0)))
        while found.count - low > 1 {
            let middle = (low + found.count) / 2
            let loss = self.loss(keeping: Set(order.prefix(middle)))
            if loss <= maximumLoss { found = (middle, loss) } else { low = middle }
        }
        for position in order.prefix(found.count) { layers[position].isKept = true }
        return found.loss
    }

    private func quantized(_ position: Int, _ inputs: [Tensor]) -> Tensor {
        quantizableLayers[position].quantizedResult(
            inputs, layers[position], decodedWeights: decodedWeights[position])
    }

    private func loss(keeping kept: Set<Int>) -> Float {
        meanLoss(batches.map { run($0) { kept.contains($0) ? nil : quantized($0, $1) } }, outputs)
    }

    /// One minus the mean cosine of the examples of each output; the worst output counts.
    private func meanLoss(_ found: [[Tensor]], _ expected: [[Tensor]]) -> Float {
        let losses = expected[0].indices.map { output -> Float in
            let cosines = zip(found, expected).flatMap { rowCosines($0[output], $1[output]) }
            return cosines.isEmpty ? 0 : 1 - Float(cosines.reduce(0, +) / Double(cosines.count))
        }
        return losses.max() ?? 0
    }

    /// For each example, the cosine of the angle between the two vectors; 1 where both are zero.
    private func rowCosines(_ left: Tensor, _ right: Tensor) -> [Double] {
        let rows = left.rank == 0 ? 1 : left.shape[0]
        let size = rows == 0 ? 0 : left.elementCount / rows
        return left.cast(to: .float32).withScalars { left in
            right.cast(to: .float32).withScalars { right in
                (0..<rows).map { row in
                    var (product, first, second) = (0.0, 0.0, 0.0)
                    for index in row * size..<(row + 1) * size {
                        product += Double(left[index]) * Double(right[index])
                        first += Double(left[index]) * Double(left[index])
                        second += Double(right[index]) * Double(right[index])
                    }
                    if first == 0 && second == 0 { return 1 }
                    let cosine = product / (first * second).squareRoot()
                    return cosine.isFinite ? cosine : 0
                }
            }
        }
    }
}
