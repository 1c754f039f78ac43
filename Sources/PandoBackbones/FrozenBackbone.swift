import PandoTensor

/// A backbone compiled to run fast and only forward: the form in which features are extracted and served.
///
/// Programs are compiled at the first use of each slice's shape and kept; weights are packed once for all of them. What
/// nobody asked for is not run: of a chain of blocks those behind the deepest tap, where no vector is wanted.
/// Any number of threads may call at once.
public final class FrozenBackbone: Sendable {
    public let backbone: any Backbone
    public let precision: ElementType
    /// What each pass returns.
    public let request: FeatureRequest
    /// The taps whose means are part of an example's vector, in order of depth.
    public let summaryTaps: [Tap.Name]

    /// Pictures that one thread runs at once: enough to keep the kernels busy, few enough to stay in cache.
    public static let sliceSize = 2

    private let pass: Pass
    private let programs: ProgramCache

    /// Which layers compute in 8-bit integers, if any do.
    public var quantization: Quantization? { programs.quantization }

    /// Length of an example's vector.
    public var vectorLength: Int { backbone.vectorLength(reading: summaryTaps) }

    /// - Precondition: the names are taps of `backbone`; `precision` is `.float32` or `.bfloat16`.
    public convenience init(
        _ backbone: any Backbone, precision: ElementType = .float32, for request: FeatureRequest = .vector,
        summarizing summaryTaps: [Tap.Name] = []
    ) {
        self.init(Pass(backbone, request, summaryTaps), precision, nil)
    }

    /// The backbone with layers in 8-bit integers, calibrated on `pictures` or, later, as it was calibrated then.
    ///
    /// - Parameters:
    ///   - calibration: made before for the same backbone; `nil` to make it now.
    ///   - pictures: preprocessed; some dozens show which values occur.
    ///   - maximumLoss: see `Quantization.calibrated(on:by:maximumLoss:_:)`.
    /// - Throws: `QuantizationError`: there are no pictures, or the calibration is another backbone's.
    /// - Precondition: the names are taps of `backbone`.
    public convenience init(
        _ backbone: any ImageBackbone, quantizedBy calibration: Quantization? = nil, calibratingOn pictures: Tensor,
        maximumLoss: Float = 0.01, for request: FeatureRequest = .vector, summarizing summaryTaps: [Tap.Name] = []
    ) throws(QuantizationError) {
        let pass = Pass(backbone, request, summaryTaps)
        let quantization: Quantization
        if let calibration {
            try calibration.check(inputs: [Program.Input(shape: pictures.shape, type: .float32)], pass.callAsFunction)
            quantization = calibration
        } else {
            let batches = stride(from: 0, to: pictures.shape[0], by: 8).map {
                [pictures.slice($0..<min($0 + 8, pictures.shape[0]))]
            }
            quantization = try Quantization.calibrated(on: batches, maximumLoss: maximumLoss, pass.callAsFunction)
        }
        self.init(pass, Processor.hasNativeBFloat16 ? .bfloat16 : .float32, quantization)
    }

    private init(_ pass: Pass, _ precision: ElementType, _ quantization: Quantization?) {
        (backbone, request, summaryTaps) = (pass.backbone, pass.request, pass.summaryTaps)
        self.precision = precision
        programs = ProgramCache(precision: precision, quantization: quantization, pass.callAsFunction)
        self.pass = pass
    }

    /// What was asked for of each example, slices of them side by side on `workers` threads.
    ///
    /// `pooled` is the example's vector: the pooled features, then the mean of each tap that is summarised, of tokens
    /// over those that are no padding. A single example is computed by all threads together. Texts of every length get a
    /// program of their own: pad to few, as `TokenTensors.paddedLength(_:atMost:)` does.
    /// - Shapes: `N` examples → pooled `[N, vectorLength]`, or `[N, 0]` where no vector was asked for; taps as the
    ///   backbone has them; all `float32`.
    /// - Precondition: the examples are of the backbone's kind.
    public func features(of input: BackboneInput, workers: Int = 1) -> Features {
        var features = Features(
            pooled: .zeros([input.count, 0]), mask: backbone.mask(of: input), input: request.input ? input : nil)
        if request.taps.isEmpty && !request.vector { return features }
        var results = run(input, workers: workers)
        if request.vector { features.pooled = results.removeFirst() }
        features.taps = Dictionary(uniqueKeysWithValues: zip(request.taps, results))
        return features
    }

    /// What was asked for of preprocessed pictures.
    ///
    /// - Shapes: `[N, H, W, 3]` `float32`.
    public func features(of pictures: Tensor, workers: Int = 1) -> Features {
        features(of: .pictures(pictures), workers: workers)
    }

    /// Multiply-adds of one pass over examples like these, for what was asked for.
    public func multiplyAdds(of input: BackboneInput) -> Int {
        PandoTensor.multiplyAdds(
            of: values(of: input).map { Program.Input(shape: $0.shape, type: $0.elementType) }, pass.callAsFunction)
    }

    /// What the pass takes.
    private func values(of input: BackboneInput) -> [Tensor] {
        switch input {
        case .pictures(let pictures): [pictures]
        case .texts(let texts):
            [texts.ids, texts.attentionMask.cast(to: .float32)] + (texts.typeIDs.map { [$0] } ?? [])
        }
    }

    private func run(_ input: BackboneInput, workers: Int) -> [Tensor] {
        let values = values(of: input)
        switch input {
        case .pictures(let pictures):
            return pictures.shape[0] == 0
                ? pass([pictures]) : programs([pictures], sliceSize: Self.sliceSize, workers: workers)
        case .texts:
            if input.count == 0 { return pass(values) }
            if input.count == 1 { return programs(values, threads: workers) }
            let slices = input.slices(workers: workers)
            let parts = Parallel.map(slices.count, workers: workers) { index in
                programs(values.map { $0.slice(slices[index]) })
            }
            return parts[0].indices.map { result in .concatenated(parts.map { $0[result] }) }
        }
    }
}

/// One pass of a backbone as a function of tensors: the vector if it is wanted, then the taps.
private struct Pass: Sendable {
    let backbone: any Backbone
    let request: FeatureRequest
    let summaryTaps: [Tap.Name]

    init(_ backbone: any Backbone, _ request: FeatureRequest, _ summaryTaps: [Tap.Name]) {
        let known = backbone.taps.map(\.name)
        for name in request.taps + summaryTaps where !known.contains(name) {
            stop("FrozenBackbone: no tap \(name) in \(known)")
        }
        self.backbone = backbone
        self.request = request
        self.summaryTaps = known.filter(summaryTaps.contains)
    }

    /// - Parameter inputs: pictures; or ids, attention mask, and perhaps types of tokens.
    func callAsFunction(_ inputs: [Tensor]) -> [Tensor] {
        let input: BackboneInput = inputs.count == 1
            ? .pictures(inputs[0])
            : .texts(
                TokenTensors(ids: inputs[0], attentionMask: inputs[1], typeIDs: inputs.count > 2 ? inputs[2] : nil))
        guard request.vector else {
            let features = (backbone as? any BlockwiseBackbone)?.activations(of: input, reading: Set(request.taps))
                ?? backbone.features(of: input, reading: Set(request.taps))
            return request.taps.map { features[$0] }
        }
        let features = backbone.features(of: input, reading: Set(request.taps + summaryTaps))
        return [features.vector(summarizing: summaryTaps)] + request.taps.map { features[$0] }
    }
}
