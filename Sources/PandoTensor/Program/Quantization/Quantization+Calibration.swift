extension Quantization {
    /// Ranges of the inputs of all layers of `function`, found by running it on `batches`, and the layers that must
    /// stay in higher precision for `maximumLoss`.
    ///
    /// If 8 bits everywhere lose more than that, layers are kept in the order of what each of them loses alone, until
    /// the bound is met.
    /// - Parameters:
    ///   - batches: inputs of the function, `float32`, as many examples as it takes to see the values that occur.
    ///   - method: `nil` for the one of `.minMax` and `.meanSquaredError` that loses less: networks differ in what
    ///     clipping costs them.
    ///   - maximumLoss: bound on one minus the mean cosine, over all examples, between results with and without
    ///     quantization; of several results the worst counts.
    /// - Throws: `noData`, `nonFiniteInput`.
    /// - Cost: three runs of the function outside a program on each batch, five if no method is given; if layers have to
    ///   be kept, one run on four examples for each layer and about six more on each batch.
    public static func calibrated(
        on batches: [Tensor], by method: Method? = nil, maximumLoss: Float = 0.01,
        _ function: (Tensor) -> [Tensor]
    ) throws(QuantizationError) -> Quantization {
        try calibrated(on: batches.map { [$0] }, by: method, maximumLoss: maximumLoss) { function($0[0]) }
    }

    /// As for a function of one input, for one of several.
    ///
    /// - Shapes: the first axis of all inputs of a batch counts examples.
    public static func calibrated(
        on batches: [[Tensor]], by method: Method? = nil, maximumLoss: Float = 0.01,
        _ function: ([Tensor]) -> [Tensor]
    ) throws(QuantizationError) -> Quantization {
        if case .percentile(let percent)? = method {
            require(percent > 0 && percent <= 100, "quantization: percentile \(percent) is outside 0...100")
        }
        require(maximumLoss >= 0, "quantization: a loss of at most \(maximumLoss) cannot be met")
        let batches = batches.filter { !$0.isEmpty && $0.allSatisfy { $0.elementCount > 0 } }
        guard let first = batches.first else { throw .noData }
        var graphs: [[Program.Input]: Graph] = [:]
        func example(_ values: [Tensor]) -> Calibration.Example {
            let values = values.map { $0.plain.contiguous() }
            let inputs = values.map { Program.Input(shape: $0.shape, type: $0.elementType) }
            let graph = graphs[inputs] ?? Graph(tracing: inputs, function)
            graphs[inputs] = graph
            return (graph, values)
        }
        let sample = first.map { $0.rank == 0 ? $0 : $0.slice(0..<min($0.shape[0], 4)) }
        var calibration = Calibration(batches: batches.map(example), sample: example(sample))
        try calibration.see()
        let chosen = calibration.chooseRanges(by: method.map { [$0] } ?? [.minMax, .meanSquaredError])
        let loss = calibration.keepLayers(maximumLoss: maximumLoss)
        return Quantization(
            method: chosen, layers: calibration.layers, loss: loss,
            fingerprint: calibration.quantizableLayers.fingerprint)
    }

    /// What `function` gives for `input` when its layers are computed as this says, with 8-bit values held as
    /// `float32`: how good a quantization is, without compiling it.
    ///
    /// - Throws: `otherFunction`, `invalidRange`, `invalidFactors`.
    public func simulated(on input: Tensor, _ function: (Tensor) -> [Tensor]) throws(QuantizationError) -> [Tensor] {
        try simulated(on: [input]) { function($0[0]) }
    }

    /// As for a function of one input, for one of several.
    public func simulated(on values: [Tensor], _ function: ([Tensor]) -> [Tensor]) throws(QuantizationError) -> [Tensor] {
        let graph = Graph(tracing: values.map { Program.Input(shape: $0.shape, type: $0.elementType) }, function)
        try check(against: graph)
        let layers = Dictionary(
            uniqueKeysWithValues: graph.quantizableLayers.enumerated().map { ($1.node, (self.layers[$0], $1)) })
        return graph.evaluated(values.map { $0.plain.contiguous() }) { node, inputs in
            guard let (settings, layer) = layers[node], !settings.isKept else { return nil }
            return layer.quantizedResult(inputs, settings, decodedWeights: layer.decodedWeights(settings))
        }
    }
}
