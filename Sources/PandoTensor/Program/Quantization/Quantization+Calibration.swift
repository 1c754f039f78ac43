extension Quantization {
    /// Ranges of the inputs of all layers of `function`, found by running it on `batches`, and the layers that must
    /// stay in higher precision for `maximumLoss`.
    ///
    /// If 8 bits everywhere lose more than that, layers are kept in the order of what each of them loses alone, until
    /// the bound is met.
    /// - Parameters:
    ///   - batches: inputs of the function, `float32`, as many examples as it takes to see the values that occur.
    ///   - maximumLoss: bound on one minus the mean cosine, over all examples, between results with and without
    ///     quantization; of several results the worst counts.
    /// - Throws: `noData`, `nonFiniteInput`.
    /// - Cost: three runs of the function outside a program on each batch; if layers have to be kept, one run on four
    ///   examples for each layer and about six more on each batch.
    public static func calibrated(
        on batches: [Tensor], by method: Method = .percentile(99.99), maximumLoss: Float = 0.01,
        _ function: (Tensor) -> [Tensor]
    ) throws(QuantizationError) -> Quantization {
        if case .percentile(let percent) = method {
            require(percent > 0 && percent <= 100, "quantization: percentile \(percent) is outside 0...100")
        }
        require(maximumLoss >= 0, "quantization: a loss of at most \(maximumLoss) cannot be met")
        let batches = batches.filter { $0.elementCount > 0 }.map { $0.cast(to: .float32).plain.contiguous() }
        guard let first = batches.first else { throw .noData }
        var graphs: [[Int]: Graph] = [:]
        for batch in batches where graphs[batch.shape] == nil {
            graphs[batch.shape] = Graph(tracing: batch.shape, function)
        }
        let sample = first.rank == 0 ? first : first.slice(0..<min(first.shape[0], 4)).contiguous()
        var calibration = Calibration(
            batches: batches.map { (graphs[$0.shape]!, $0) }, sample: (Graph(tracing: sample.shape, function), sample))
        try calibration.findRanges(by: method)
        let loss = calibration.keepLayers(maximumLoss: maximumLoss)
        return Quantization(
            layers: calibration.layers, loss: loss, fingerprint: calibration.quantizableLayers.fingerprint)
    }

    /// What `function` gives for `input` when its layers are computed as this says, with 8-bit values held as
    /// `float32`: how good a quantization is, without compiling it.
    ///
    /// - Throws: `otherFunction`, `invalidRange`.
    public func simulated(on input: Tensor, _ function: (Tensor) -> [Tensor]) throws(QuantizationError) -> [Tensor] {
        let graph = Graph(tracing: input.shape, function)
        try check(against: graph)
        let layers = Dictionary(
            uniqueKeysWithValues: graph.quantizableLayers.enumerated().map { ($1.node, (self.layers[$0], $1)) })
        return graph.evaluated(input.plain.contiguous()) { node, inputs in
            guard let (settings, layer) = layers[node], !settings.isKept else { return nil }
            return layer.quantizedResult(inputs, settings, decodedWeights: layer.decodedWeights(settings))
        }
    }
}
