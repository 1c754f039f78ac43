import Glibc
import PandoTensor

/// A learned coder of features: vectors, one below the other, are a plane of numbers that is coded as pictures are.
///
/// Each channel is cut to its usual range and brought to 0...1. The plane is cut into patches of 32 vectors by 32
/// channels, which a `HyperpriorModel` turns into latents; rounded, they are written by a range coder in the bits that
/// the model gives them. What is read back follows from the bytes alone, the coder, and the number of vectors.
///
/// It stands beside `FeatureCodec` and not in it: it codes many rows together, so that none can be read alone, and is
/// trained for many seconds, where those look at a sample once. The deviations that the reader computes must be the writer's to
/// the last bit, so bytes are for the machine, or one like it, that wrote them.
/// - Source: Gao et al. 2024 (arXiv:2412.04307), baseline 2, with ranges for each channel: the scale hyperprior of
///   Ballé et al. 2018 (arXiv:1802.01436).
public struct HyperpriorCoder: Sendable {
    let model: HyperpriorModel
    let ranges: ChannelRanges
    private let tables: [SymbolTable]

    /// Patches that go through the networks together.
    private static let batch = 96

    init(_ model: HyperpriorModel, _ ranges: ChannelRanges) {
        (self.model, self.ranges) = (model, ranges)
        tables = model.prior.tables()
    }

    /// The bytes of vectors.
    /// - Shapes: `[R, C]`, `float32`.
    public func encode(_ rows: Tensor) -> [UInt8] {
        let batches = latents(of: rows)
        var encoder = RangeEncoder(capacity: rows.elementCount / 8)
        // What is read last is written first: y after z, since z tells the deviations of y.
        for latents in batches.reversed() {
            for index in latents.y.indices.reversed() {
                GaussianTables.shared.tables[Int(latents.levels[index])].put(latents.y[index], into: &encoder)
            }
        }
        for latents in batches.reversed() {
            for index in latents.z.indices.reversed() { tables[index % tables.count].put(latents.z[index], into: &encoder) }
        }
        return encoder.finish()
    }

    /// The vectors that `encode` made `bytes` of.
    /// - Shapes: `[count, C]`, `float32`.
    public func decode(_ bytes: [UInt8], count: Int) -> Tensor {
        let sizes = Self.batches(of: ranges.patchCount(of: count))
        let (ySize, zSize) = (model.latentShapes.y, model.latentShapes.z)
        let y = bytes.withUnsafeBytes { bytes in
            var decoder = RangeDecoder(bytes)
            let z: [[Float]] = sizes.map { size in
                (0..<size.count * zSize.elementCount).map { Float(tables[$0 % tables.count].next(from: &decoder)) }
            }
            let levels: [[UInt8]] = Parallel.map(sizes.count, workers: MachineResources.allowedCores) { index in
                self.levels(of: model.scales(given: Tensor(z[index], shape: [sizes[index].count] + zSize)))
            }
            return levels.map { $0.map { Float(GaussianTables.shared.tables[Int($0)].next(from: &decoder)) } }
        }
        let patches = Parallel.map(sizes.count, workers: MachineResources.allowedCores) { index in
            model.patches(from: Tensor(y[index], shape: [sizes[index].count] + ySize))
        }
        return ranges.rows(from: .concatenated(patches), count: count)
    }

    /// How many bits the model says that vectors need: what `encode` comes close to.
    public func information(of rows: Tensor) -> Double {
        let patches = ranges.patches(of: rows)
        let sizes = Self.batches(of: patches.shape[0])
        let bits = Parallel.map(sizes.count, workers: MachineResources.allowedCores) { index -> Double in
            let (y, z) = model.latents(of: patches.slice(sizes[index]))
            let rounded = z.rounded()
            let ofY = y.rounded().gaussianInformation(scale: model.scales(given: rounded))
            return [ofY, model.prior.information(of: rounded)].reduce(0) { sum, bits in
                bits.withScalars { $0.reduce(sum) { $0 + Double($1) } }
            }
        }
        return bits.reduce(0, +)
    }

    /// Rounded latents of some patches, and of which table each y is.
    private struct Latents {
        let y, z: [Int16]
        let levels: [UInt8]
    }

    private func latents(of rows: Tensor) -> [Latents] {
        let patches = ranges.patches(of: rows)
        let sizes = Self.batches(of: patches.shape[0])
        return Parallel.map(sizes.count, workers: MachineResources.allowedCores) { index in
            let (y, z) = model.latents(of: patches.slice(sizes[index]))
            let whole = Self.whole(z)
            let scales = model.scales(given: Tensor(whole.map { Float($0) }, shape: z.shape))
            return Latents(y: Self.whole(y), z: whole, levels: levels(of: scales))
        }
    }

    /// The nearest whole numbers, as far as they can be written.
    private static func whole(_ numbers: Tensor) -> [Int16] {
        numbers.rounded().scalars().map { Int16(max(-32768, min(32767, $0))) }
    }

    private func levels(of scales: Tensor) -> [UInt8] { scales.scalars().map(GaussianTables.shared.level) }

    private static func batches(of count: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: batch).map { $0..<min($0 + batch, count) }
    }
}

/// The shares of whole numbers of Gaussians about zero, for some deviations, each a tenth larger than the one before.
private struct GaussianTables: Sendable {
    static let shared = GaussianTables()

    let tables: [SymbolTable]
    private static let step = 0.1
    private static let count = 80

    private init() {
        tables = (0..<Self.count).map { level in
            let scale = Double(HyperpriorModel.smallestScale) * exp(Self.step * Double(level))
            let reach = Int(6 * scale) + 1
            func tail(_ place: Double) -> Double { 0.5 * erfc(place / scale * 0.5.squareRoot()) }
            let half = (0...reach).map { tail(Double($0) - 0.5) - tail(Double($0) + 0.5) }
            return SymbolTable(half.dropFirst().reversed() + half, from: -reach, others: 2 * tail(Double(reach) + 0.5))
        }
    }

    /// The table of the nearest deviation.
    func level(of scale: Float) -> UInt8 {
        let place = (log(Double(scale) / Double(HyperpriorModel.smallestScale)) / Self.step).rounded()
        return UInt8(max(0, min(Double(Self.count - 1), place)))
    }
}
