import PandoTensor
import Synchronization

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

    private struct Key: Hashable {
        let shape: [Int]
        let threads: Int
    }

    private let packed = PackedWeights()
    private let programs = Mutex<[Key: Program]>([:])

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
    }

    /// Features of preprocessed pictures, computed on the calling thread alone.
    ///
    /// - Shapes: `[N, H, W, 3]` `float32` → pooled `[N, C]` and the taps read, `float32`.
    public func features(of pictures: Tensor) -> Features { features(of: pictures, workers: 1) }

    /// Features of preprocessed pictures, slices of them side by side on `workers` threads.
    ///
    /// A single picture is instead computed by all of them together.
    public func features(of pictures: Tensor, workers: Int) -> Features {
        let count = pictures.shape[0]
        if count <= 1 { return run(program(for: pictures.shape, threads: workers), pictures) }
        let size = min(Self.sliceSize, (count + workers - 1) / workers)
        if size == count { return run(program(for: pictures.shape, threads: 1), pictures) }
        let parts = Parallel.map((count + size - 1) / size, workers: workers) { slice in
            let part = pictures.slice(slice * size..<min(count, (slice + 1) * size))
            return run(program(for: part.shape, threads: 1), part)
        }
        return Features(
            taps: Dictionary(
                uniqueKeysWithValues: readTaps.map { name in (name, .concatenated(parts.map { $0.taps[name]! })) }),
            pooled: .concatenated(parts.map(\.pooled)))
    }

    private func run(_ program: Program, _ pictures: Tensor) -> Features {
        let results = program(pictures)
        return Features(taps: Dictionary(uniqueKeysWithValues: zip(readTaps, results.dropFirst())), pooled: results[0])
    }

    private func program(for shape: [Int], threads: Int) -> Program {
        let key = Key(shape: shape, threads: threads)
        if let known = programs.withLock({ $0[key] }) { return known }
        // Compiled outside the lock: two threads may do the same work once, none waits for the other.
        let made = Program(inputShape: shape, precision: precision, threads: threads, sharing: packed) { pictures in
            let features = backbone.features(of: pictures, reading: Set(readTaps))
            let taps = readTaps.map { features.taps[$0]! }
            return [features.pooled] + (poolsTaps ? taps.map { $0.mean(along: Array(1..<$0.rank - 1)) } : taps)
        }
        return programs.withLock { programs in
            if let first = programs[key] { return first }
            programs[key] = made
            return made
        }
    }
}
