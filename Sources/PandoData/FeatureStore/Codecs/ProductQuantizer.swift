import PandoTensor

/// Each stretch of channels as the number of the nearest of 256 patterns.
///
/// The patterns of a stretch are the centres that k-means finds among the fitted vectors' stretches.
/// - Source: Jégou, Douze and Schmid 2011, Product Quantization for Nearest Neighbor Search, with Lloyd's algorithm from
///   distinct places of the sample; a centre that loses its points takes the place of a point that is drawn.
struct ProductQuantizer: VectorCoder {
    static let patternCount = 256
    private static let iterations = 10

    /// Channels in a stretch.
    private let length: Int
    /// `[stretches, 256, length]`.
    private let patterns: [Float]
    private let searches: [NearestPattern]

    /// - Parameter sample: vectors of `channels` numbers.
    init(fitting sample: [Float], channels: Int, length: Int) {
        let stretches = Parallel.map(channels / length, workers: MachineResources.allowedCores) { stretch in
            let points = stride(from: stretch * length, to: sample.count, by: channels).flatMap {
                sample[$0..<$0 + length]
            }
            return Self.centres(of: points, length: length, seed: UInt64(stretch))
        }
        self.init(patterns: stretches.flatMap { $0 }, length: length)
    }

    private init(patterns: [Float], length: Int) {
        self.length = length
        self.patterns = patterns
        let size = Self.patternCount * length
        searches = stride(from: 0, to: patterns.count, by: size).map {
            NearestPattern(patterns[$0..<$0 + size], length: length)
        }
    }

    init(_ parameters: [String: Tensor], channels: Int, length: Int) throws(CodecObjection) {
        let shape = [channels / length, Self.patternCount, length]
        let patterns = try parameters.part("patterns", .float32, shape).scalars()
        guard patterns.allSatisfy(\.isFinite) else { throw CodecObjection(text: "a pattern is not finite") }
        self.init(patterns: patterns, length: length)
    }

    var parameters: [String: Tensor] {
        ["patterns": Tensor(patterns, shape: [searches.count, Self.patternCount, length])]
    }

    func encode(_ values: UnsafeBufferPointer<Float>) -> [UInt8] {
        (0..<values.count / length).map { index in
            let stretch = UnsafeBufferPointer(rebasing: values[index * length..<(index + 1) * length])
            return UInt8(searches[index % searches.count].index(of: stretch))
        }
    }

    func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Float>) {
        require(
            bytes.count * length == values.count,
            "ProductQuantizer: \(bytes.count) bytes are not \(values.count) numbers")
        patterns.withUnsafeBufferPointer { patterns in
            var (place, stretch) = (0, 0)
            for byte in bytes {
                let start = (stretch * Self.patternCount + Int(byte)) * length
                for channel in 0..<length {
                    values.initializeElement(at: place + channel, to: patterns[start + channel])
                }
                place += length
                stretch = stretch + 1 == searches.count ? 0 : stretch + 1
            }
        }
    }

    /// `[256, length]`: where the centres of `[points, length]` come to rest.
    private static func centres(of points: [Float], length: Int, seed: UInt64) -> [Float] {
        let count = points.count / length
        guard count > 0 else { return [Float](repeating: 0, count: patternCount * length) }
        var generator = SeededGenerator(seed: seed)
        let order = (0..<count).shuffled(using: &generator)
        var centres = (0..<patternCount).flatMap { pattern in
            let point = order[pattern % count]
            return points[point * length..<(point + 1) * length]
        }
        for _ in 0..<iterations {
            let search = NearestPattern(centres[...], length: length)
            var sums = [Float](repeating: 0, count: patternCount * length)
            var counts = [Int](repeating: 0, count: patternCount)
            points.withUnsafeBufferPointer { points in
                for point in 0..<count {
                    let numbers = UnsafeBufferPointer(rebasing: points[point * length..<(point + 1) * length])
                    let pattern = search.index(of: numbers)
                    counts[pattern] += 1
                    for channel in 0..<length { sums[pattern * length + channel] += numbers[channel] }
                }
            }
            for pattern in 0..<patternCount {
                let drawn = counts[pattern] == 0 ? Int.random(in: 0..<count, using: &generator) : 0
                for channel in 0..<length {
                    let place = pattern * length + channel
                    centres[place] =
                        counts[pattern] == 0 ? points[drawn * length + channel] : sums[place] / Float(counts[pattern])
                }
            }
        }
        return centres
    }
}

/// Finds the nearest of 256 patterns, sixteen at a time.
private struct NearestPattern: Sendable {
    /// For each sixteen patterns: half their squared norms, then their first numbers, their second, …
    private let blocks: [SIMD16<Float>]
    private let length: Int

    init(_ patterns: ArraySlice<Float>, length: Int) {
        self.length = length
        let patterns = Array(patterns)
        blocks = stride(from: 0, to: ProductQuantizer.patternCount, by: 16).flatMap { first in
            let columns = (0..<length).map { channel in
                SIMD16((0..<16).map { patterns[(first + $0) * length + channel] })
            }
            return [columns.reduce(SIMD16(repeating: 0)) { $0 + 0.5 * $1 * $1 }] + columns
        }
    }

    /// The pattern with the least `½|p|² - x · p`, which is the nearest; the first of equals.
    func index(of vector: UnsafeBufferPointer<Float>) -> Int {
        var best = SIMD16<Float>(repeating: .infinity)
        var places = SIMD16<Int32>(repeating: 0)
        blocks.withUnsafeBufferPointer { blocks in
            for block in 0..<ProductQuantizer.patternCount / 16 {
                let start = block * (length + 1)
                var distances = blocks[start]
                for channel in 0..<length { distances -= vector[channel] * blocks[start + 1 + channel] }
                let isNearer = distances .< best
                best.replace(with: distances, where: isNearer)
                places.replace(with: SIMD16(repeating: Int32(block)), where: isNearer)
            }
        }
        let nearest = (0..<16).min { (best[$0], places[$0]) < (best[$1], places[$1]) } ?? 0
        return Int(places[nearest]) * 16 + nearest
    }
}
