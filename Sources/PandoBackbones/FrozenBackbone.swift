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

    /// - Precondition: `names` are taps of `backbone`; `precision` is `.float32` or `.bfloat16`.
    public init(
        _ backbone: any ImageBackbone, precision: ElementType = .float32, reading names: Set<Tap.Name> = [],
        poolingTaps: Bool = false
    ) {
        self.backbone = backbone
        self.precision = precision
        poolsTaps = poolingTaps
        readTaps = backbone.taps.map(\.name).filter(names.contains)
        require(
            readTaps.count == names.count,
            "FrozenBackbone: no taps \(names.subtracting(readTaps).sorted()) in \(backbone.taps.map(\.name))")
        let read = readTaps
        programs = ProgramCache(precision: precision) { inputs in
            let features = backbone.features(of: inputs[0], reading: Set(read))
            let taps = read.map { features.taps[$0]! }
            return [features.pooled] + (poolingTaps ? taps.map { $0.mean(along: Array(1..<$0.rank - 1)) } : taps)
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
        let results = programs([pictures], sliceSize: Self.sliceSize, workers: workers)
        return Features(taps: Dictionary(uniqueKeysWithValues: zip(readTaps, results.dropFirst())), pooled: results[0])
    }
}
