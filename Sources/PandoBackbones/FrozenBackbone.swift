import PandoTensor

/// A picture backbone compiled to run fast and only forward: the form in which features are extracted and served.
///
/// Programs are compiled at the first use of each slice size and kept; weights are packed once for all of them.
/// Any number of threads may call at once.
public final class FrozenBackbone: Sendable {
    public let backbone: any ImageBackbone
    public let precision: ElementType
    /// The taps that each pass returns, in order of depth.
    public let readTaps: [Tap.Name]
    /// Whether a tap is returned as its mean over the picture, `[N, C]`, instead of its map or tokens.
    public let poolsTaps: Bool

    /// Pictures that one thread runs at once: enough to keep the kernels busy, few enough to stay in cache.
    public static let sliceSize = 2

    private let programs: ProgramCache

    /// Which layers compute in 8-bit integers, if any do.
    public var quantization: Quantization? { programs.quantization }

    /// - Precondition: `names` are taps of `backbone`; `precision` is `.float32` or `.bfloat16`.
    public convenience init(
        _ backbone: any ImageBackbone, precision: ElementType = .float32, reading names: Set<Tap.Name> = [],
        poolingTaps: Bool = false
    ) {
        self.init(backbone, precision, nil, names, poolingTaps)
    }

    /// The backbone with layers in 8-bit integers, calibrated on `pictures` or, later, as it was calibrated then.
    ///
    /// - Parameters:
    ///   - calibration: made before for the same backbone; `nil` to make it now.
    ///   - pictures: preprocessed; some dozens show which values occur.
    ///   - maximumLoss: see `Quantization.calibrated(on:by:maximumLoss:_:)`.
    /// - Throws: `QuantizationError`: there are no pictures, or the calibration is another backbone's.
    /// - Precondition: `names` are taps of `backbone`.
    public convenience init(
        _ backbone: any ImageBackbone, quantizedBy calibration: Quantization? = nil, calibratingOn pictures: Tensor,
        maximumLoss: Float = 0.01, reading names: Set<Tap.Name> = [], poolingTaps: Bool = false
    ) throws(QuantizationError) {
        let function = Self.function(backbone, Self.taps(names, of: backbone), poolingTaps)
        let quantization: Quantization
        if let calibration {
            try calibration.check(inputs: [Program.Input(shape: pictures.shape, type: .float32)], function)
            quantization = calibration
        } else {
            let batches = stride(from: 0, to: pictures.shape[0], by: 8).map {
                [pictures.slice($0..<min($0 + 8, pictures.shape[0]))]
            }
            quantization = try Quantization.calibrated(on: batches, maximumLoss: maximumLoss, function)
        }
        self.init(
            backbone, Processor.hasNativeBFloat16 ? .bfloat16 : .float32, quantization, names, poolingTaps)
    }

    private init(
        _ backbone: any ImageBackbone, _ precision: ElementType, _ quantization: Quantization?,
        _ names: Set<Tap.Name>, _ poolingTaps: Bool
    ) {
        self.backbone = backbone
        self.precision = precision
        poolsTaps = poolingTaps
        readTaps = Self.taps(names, of: backbone)
        programs = ProgramCache(
            precision: precision, quantization: quantization, Self.function(backbone, readTaps, poolingTaps))
    }

    private static func taps(_ names: Set<Tap.Name>, of backbone: any ImageBackbone) -> [Tap.Name] {
        let taps = backbone.taps.map(\.name).filter(names.contains)
        require(
            taps.count == names.count,
            "FrozenBackbone: no taps \(names.subtracting(taps).sorted()) in \(backbone.taps.map(\.name))")
        return taps
    }

    /// Pooled features and taps as a function of pictures.
    private static func function(_ backbone: any ImageBackbone, _ read: [Tap.Name], _ poolsTaps: Bool)
        -> @Sendable ([Tensor]) -> [Tensor]
    {
        { inputs in
            let features = backbone.features(of: inputs[0], reading: Set(read))
            let taps = read.map { features.taps[$0]! }
            return [features.pooled] + (poolsTaps ? taps.map { $0.mean(along: Array(1..<$0.rank - 1)) } : taps)
        }
    }

    /// Features of preprocessed pictures, computed on the calling thread alone.
    ///
    /// - Shapes: `[N, H, W, 3]` `float32` → pooled `[N, C]` and the taps read, `float32`.
    public func features(of pictures: Tensor) -> Features { features(of: pictures, workers: 1) }

    /// Features of preprocessed pictures, slices of them side by side on `workers` threads.
    ///
    /// A single picture is instead computed by all of them together.
    public func features(of pictures: Tensor, workers: Int) -> Features {
        let results = pictures.shape[0] == 0
            ? Self.function(backbone, readTaps, poolsTaps)([pictures])
            : programs([pictures], sliceSize: Self.sliceSize, workers: workers)
        return Features(taps: Dictionary(uniqueKeysWithValues: zip(readTaps, results.dropFirst())), pooled: results[0])
    }
}
