extension Quantization {
    /// Ranges of the inputs of all layers of `function`, found by running it on `batches`, and the layers that must
    /// stay in higher precision for `maximumLoss`.
    ///
    /// Layers are kept in the order of the noise that 8 bits make in their own output, as few as are found necessary.
    /// - Parameters:
    ///   - batches: inputs of the function, `float32`, as many examples as it takes to see the values that occur.
    ///   - maximumLoss: bound on one minus the mean cosine, over all examples, between results with and without
    ///     quantization; of several results the worst counts.
    /// - Throws: `noData`, `nonFiniteInput`.
    /// - Cost: four to twelve runs of the function outside a program on each batch.
    public static func calibrated(
        on batches: [Tensor], by method: Method = .percentile(99.99), maximumLoss: Float = 0.01,
        _ function: (Tensor) -> [Tensor]
    ) throws(QuantizationError) -> Quantization {
        if case .percentile(let percent) = method {
            require(percent > 0 && percent <= 100, "quantization: percentile \(percent) is outside 0...100")
        }
        require(maximumLoss >= 0, "quantization: a loss of at most \(maximumLoss) cannot be met")
        let batches = batches.filter { $0.elementCount > 0 }
        guard let first = batches.first else { throw .noData }
        var graphs: [[Int]: Graph] = [:]
        for batch in batches where graphs[batch.shape] == nil {
            graphs[batch.shape] = Graph(tracing: batch.shape, function)
        }
        let calibration = Calibration(
            batches: batches.map { (graphs[$0.shape]!, $0) }, layers: graphs[first.shape]!.quantizableLayers)
        let (ranges, outputs) = try calibration.ranges(by: method)
        let noises = calibration.noises(ranges)
        let (kept, loss) = calibration.kept(ranges, noises, outputs, maximumLoss)
        let layers = zip(calibration.layers, zip(ranges, noises)).enumerated().map { position, layer in
            Layer(name: layer.0.name, range: layer.1.0, noise: layer.1.1, isKept: kept.contains(position))
        }
        return Quantization(layers: layers, loss: loss, fingerprint: calibration.layers.fingerprint)
    }

    /// What `function` gives for `input` when its layers are computed as this says, with 8-bit values held as
    /// `float32`: how good a quantization is, without compiling it.
    ///
    /// - Throws: `otherFunction`, `invalidRange`.
    public func simulated(on input: Tensor, _ function: (Tensor) -> [Tensor]) throws(QuantizationError) -> [Tensor] {
        let graph = Graph(tracing: input.shape, function)
        try check(against: graph)
        let positions = Dictionary(uniqueKeysWithValues: graph.quantizableLayers.enumerated().map { ($1.node, ($0, $1)) })
        return graph.evaluated(input.plain.contiguous()) { node, inputs in
            guard let (position, layer) = positions[node], !layers[position].isKept else { return nil }
            return layer.quantizedResult(inputs, layers[position].range, decodedWeights: layer.decodedWeights)
        }
    }
}

/// One calibration under way.
private struct Calibration {
    /// Each batch with the graph of its shape.
    let batches: [(graph: Graph, input: Tensor)]
    let layers: [QuantizableLayer]
    private let decodedWeights: [Tensor]
    /// For each layer the first one that reads the same value.
    private let representative: [Int]

    init(batches: [(graph: Graph, input: Tensor)], layers: [QuantizableLayer]) {
        self.batches = batches
        self.layers = layers
        decodedWeights = layers.map(\.decodedWeights)
        representative = layers.map { layer in layers.firstIndex { $0.source == layer.source }! }
    }

    /// Runs the function on all batches; `visit` gets the position and inputs of each layer and may replace the result.
    private func run(_ visit: (Int, [Tensor]) -> Tensor?) -> [[Tensor]] {
        batches.map { graph, input in
            let positions = Dictionary(
                uniqueKeysWithValues: graph.quantizableLayers.enumerated().map { ($1.node, $0) })
            return graph.evaluated(input.cast(to: .float32).plain.contiguous()) { node, inputs in
                positions[node].flatMap { visit($0, inputs) }
            }
        }
    }

    func ranges(by method: Quantization.Method) throws(QuantizationError) -> ([ActivationRange], outputs: [[Tensor]]) {
        var seen = [ActivationHistogram](repeating: ActivationHistogram(), count: layers.count)
        let outputs = run { position, inputs in
            if representative[position] == position { seen[position].widen(by: inputs[0].cast(to: .float32)) }
            return nil
        }
        for (position, histogram) in seen.enumerated() where histogram.hasNonFinite {
            throw .nonFiniteInput(layer: position, name: layers[position].name)
        }
        if method != .minMax {
            _ = run { position, inputs in
                if representative[position] == position { seen[position].count(inputs[0].cast(to: .float32)) }
                return nil
            }
        }
        let ranges = layers.indices.map { position -> ActivationRange in
            let histogram = seen[representative[position]]
            // A layer that no example reached.
            guard histogram.range.isValid else { return ActivationRange(lower: 0, upper: 0) }
            switch method {
            case .minMax: return histogram.range
            case .percentile(let percent): return histogram.range(holding: percent)
            case .meanSquaredError:
                return histogram.rangeOfLeastError(allowingZeroPoint: layers[position].allowsZeroPoint)
            }
        }
        return (ranges, outputs)
    }

    private func quantized(_ position: Int, _ inputs: [Tensor], _ range: ActivationRange) -> Tensor {
        layers[position].quantizedResult(inputs, range, decodedWeights: decodedWeights[position])
    }

    /// For each layer, the energy of the error in its output over the output's own.
    func noises(_ ranges: [ActivationRange]) -> [Float] {
        var energies = [(signal: Double, noise: Double)](repeating: (0, 0), count: layers.count)
        _ = run { position, inputs in
            let exact = layers[position].operation.result(inputs)
            let difference = quantized(position, inputs, ranges[position]) - exact
            energies[position].signal += Double(exact.cast(to: .float32).applying(.square).mean().scalar())
            energies[position].noise += Double(difference.cast(to: .float32).applying(.square).mean().scalar())
            return exact
        }
        return energies.map { $0.signal > 0 ? Float($0.noise / $0.signal) : 0 }
    }

    /// The noisiest layers, as few as meet `maximumLoss`, and the loss with them kept.
    func kept(_ ranges: [ActivationRange], _ noises: [Float], _ outputs: [[Tensor]], _ maximumLoss: Float)
        -> (Set<Int>, Float)
    {
        let order = noises.indices.sorted { (noises[$0], $1) > (noises[$1], $0) }
        func loss(keeping count: Int) -> Float {
            let kept = Set(order.prefix(count))
            return meanLoss(
                run { position, inputs in
                    kept.contains(position) ? nil : quantized(position, inputs, ranges[position])
                }, against: outputs)
        }
        var found = (count: 0, loss: loss(keeping: 0))
        if found.loss <= maximumLoss { return ([], found.loss) }
        // Too few are kept with `low`, enough with `found.count`: keeping all loses nothing.
        var low = 0
        found = (order.count, 0)
        while found.count - low > 1 {
            let middle = (low + found.count) / 2
            let loss = loss(keeping: middle)
            if loss <= maximumLoss { found = (middle, loss) } else { low = middle }
        }
        return (Set(order.prefix(found.count)), found.loss)
    }

    /// One minus the mean cosine of the examples of each output; the worst output counts.
    private func meanLoss(_ found: [[Tensor]], against expected: [[Tensor]]) -> Float {
        let outputCount = expected.first?.count ?? 0
        let losses = (0..<outputCount).map { output -> Float in
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
