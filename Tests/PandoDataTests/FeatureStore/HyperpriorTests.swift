import Glibc
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

/// Vectors whose numbers resemble their neighbours, above and beside, in channels of different ranges.
private func smoothPlane(_ count: Int, _ channels: Int, seed: UInt64) -> Tensor {
    var generator = SeededGenerator(seed: seed)
    let noise = Tensor.normal([count + 8, channels + 8], using: &generator).scalars()
    let width = channels + 8
    var values: [Float] = []
    for row in 0..<count {
        for channel in 0..<channels {
            var sum: Float = 0
            for down in 0..<8 { for right in 0..<8 { sum += noise[(row + down) * width + channel + right] } }
            values.append(sum / 8 * Float(1 + channel % 3) + Float(channel % 5))
        }
    }
    return Tensor(values, shape: [count, channels])
}

/// What the plane has in common with what is read, less what is not: the share of its variance that is lost.
private func loss(_ read: Tensor, _ rows: Tensor) -> Float {
    let spread = (rows - rows.mean(along: [0], keepingAxes: true)).squared().mean().scalar()
    return (read - rows).squared().mean().scalar() / spread
}

@Suite struct HyperpriorTests {
    private static let rows = smoothPlane(1000, 40, seed: 1)
    private static let others = smoothPlane(300, 40, seed: 2)

    /// One that is trained for a second or two.
    private static func coder(_ weight: Float, steps: Int = 200) throws -> HyperpriorCoder {
        var training = HyperpriorCoder.Training(weight: weight)
        (training.filters, training.latents, training.steps, training.batch) = (8, 8, steps, 8)
        return try HyperpriorCoder(fitting: rows, training)
    }

    private static let coder = Result { try coder(0.01) }

    @Test func `vectors are rebuilt from the bytes and the coder alone`() throws {
        let coder = try Self.coder.get()
        let bytes = coder.encode(Self.others)
        let read = coder.decode(bytes, count: 300)
        #expect(loss(read, Self.others) < 0.2)
        #expect(8 * bytes.count < 4 * Self.others.elementCount)
        // A coder of the same networks and ranges reads the same; one of other networks does not.
        let copy = HyperpriorCoder(coder.model, coder.ranges)
        #expect(copy.decode(bytes, count: 300).scalars() == read.scalars())
        #expect(copy.encode(Self.others) == bytes)
        var changed = bytes
        changed[bytes.count / 2] ^= 0x10
        #expect(coder.decode(changed, count: 300).scalars() != read.scalars())
        // They are what the networks make of rounded latents.
        let patches = coder.ranges.patches(of: Self.others)
        let (y, _) = coder.model.latents(of: patches)
        expectClose(coder.ranges.rows(from: coder.model.patches(from: y.rounded()), count: 300), read, relative: 1e-4)
    }

    @Test func `bytes are as many as the model says`() throws {
        let coder = try Self.coder.get()
        for rows in [Self.others, Self.rows] {
            let (measured, information) = (Double(8 * coder.encode(rows).count), coder.information(of: rows))
            #expect(measured < 1.03 * information + 64 && measured > 0.97 * information, "\(measured), \(information)")
        }
    }

    @Test func `random numbers of the same histograms need more`() throws {
        // Loud and quiet vectors take turns, 32 of each.
        func plane(_ count: Int, seed: UInt64) -> Tensor {
            var generator = SeededGenerator(seed: seed)
            let noise = Tensor.normal([count, 32], using: &generator)
            return noise * Tensor((0..<count).map { $0 / 32 % 2 == 0 ? Float(1) : 0.1 }, shape: [count, 1])
        }
        var training = HyperpriorCoder.Training(weight: 0.01)
        (training.filters, training.latents, training.steps, training.batch) = (8, 16, 200, 8)
        let coder = try HyperpriorCoder(fitting: plane(1024, seed: 1), training)
        let rows = plane(512, seed: 2)
        var generator = SeededGenerator(seed: 3)
        let channels = (0..<32).map { rows.element($0, along: 1).scalars().shuffled(using: &generator) }
        let shuffled = Tensor(channels.flatMap { $0 }, shape: [32, 512]).transposed.contiguous()
        let bytes = (coder.encode(rows).count, coder.encode(shuffled).count)
        #expect(Double(bytes.1) > 1.2 * Double(bytes.0), "\(bytes)")
    }

    @Test func `less weight on the error takes fewer bits and leaves more of it, down to nothing of either`() throws {
        let coders = try [Self.coder(1e-5, steps: 400), Self.coder(0.0005), Self.coder.get()]
        let points = coders.map { coder in
            let bytes = coder.encode(Self.others)
            return (bits: Double(8 * bytes.count) / 12000, loss: loss(coder.decode(bytes, count: 300), Self.others))
        }
        #expect(points[0].bits < 0.1 && points[0].loss > 0.8, "\(points)")
        #expect(points[0].bits < points[1].bits && points[1].bits < points[2].bits, "\(points)")
        #expect(points[0].loss > points[1].loss && points[1].loss > points[2].loss, "\(points)")
    }

    @Test func `one seed gives one coder`() throws {
        let bytes = try (0..<2).map { _ in try Self.coder(0.01, steps: 5).encode(Self.others) }
        #expect(bytes[0] == bytes[1])
    }

    @Test func `bytes that nobody encoded give numbers of the channels' ranges`() throws {
        let coder = try Self.coder.get()
        var generator = SeededGenerator(seed: 4)
        for length in [0, 3, 1000] {
            let noise = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let read = coder.decode(noise, count: 50)
            #expect(read.shape == [50, 40] && read.isFinite)
        }
    }

    @Test func `a cancelled training ends`() {
        let flag = CancellationFlag()
        flag.cancel()
        #expect(throws: CancellationError.self) {
            _ = try HyperpriorCoder(fitting: Self.rows, HyperpriorCoder.Training(weight: 0.01), cancellation: flag)
        }
    }

    @Test(arguments: [(32, 32), (50, 40), (1, 3), (33, 64)])
    func `vectors become patches and vectors again`(count: Int, channels: Int) {
        let rows = irregular([count, channels])
        let ranges = ChannelRanges(fitting: rows, percentile: 100, gain: 7)
        let patches = ranges.patches(of: rows)
        #expect(patches.shape == [ranges.patchCount(of: count), 32, 32, 1])
        #expect(patches.scalars().allSatisfy { abs($0) <= 3.5001 })
        // A single number of a channel has no range: it is the lowest.
        expectClose(ranges.rows(from: patches, count: count), rows, relative: 1e-5)
    }

    @Test func `patches hold 32 vectors by 32 channels`() {
        // In each channel all of 0...63 once.
        func number(_ row: Int, _ channel: Int) -> Float { Float((7 * row + 13 * channel) % 64) }
        let rows = Tensor((0..<64 * 64).map { number($0 / 64, $0 % 64) }, shape: [64, 64])
        let patches = ChannelRanges(fitting: rows, percentile: 100, gain: 63).patches(of: rows)
        // The second patch is that of the same vectors' second 32 channels.
        for (patch, first) in [(0, 0), (0, 32), (32, 0), (32, 32)].enumerated() {
            let expected = (0..<1024).map { number(first.0 + $0 / 32, first.1 + $0 % 32) - 31.5 }
            expectClose(patches.element(patch), Tensor(expected, shape: [32, 32, 1]), relative: 1e-5)
        }
    }
}

@Suite struct FactorizedPriorTests {
    private var prior: FactorizedPrior {
        var generator = SeededGenerator(seed: 5)
        var prior = FactorizedPrior(3, using: &generator)
        prior.updateParameters { name, tensor in tensor + 0.3 * irregular(tensor.shape, phase: Float(name.count)) }
        return prior
    }

    @Test func `chances of all whole numbers are 1`() {
        let places = Tensor((-200...200).flatMap { [Float](repeating: Float($0), count: 3) }, shape: [401, 3])
        let bits = prior.information(of: places)
        #expect(bits.shape == [3, 1, 401])
        for channel in 0..<3 {
            let sum = bits.element(channel).scalars().reduce(0) { $0 + exp2(-Double($1)) }
            #expect(abs(sum - 1) < 1e-4)
        }
    }

    @Test func `gradients match central differences`() {
        let prior = prior
        let names = prior.namedTensors.map(\.name)
        expectGradients(of: [2 * irregular([5, 3])] + prior.parameters, step: 1e-2, relative: 1e-2) { inputs in
            var changed = prior
            let values = Dictionary(uniqueKeysWithValues: zip(names, inputs.dropFirst()))
            changed.updateParameters { name, _ in values[name]! }
            return changed.information(of: inputs[0])
        }
        expectVisitsEveryTensor(prior)
    }
}

@Suite struct RangeCoderTests {
    @Test func `what is put comes back, last first, in the bits that its share says`() {
        let frequencies = Shares.of([0, 1, 5, 900, 3], scaleBits: 12)
        #expect(frequencies.reduce(0, +) == 4096 && frequencies.allSatisfy { $0 > 0 })
        let starts = Shares.starts(of: frequencies)
        var generator = SeededGenerator(seed: 6)
        let symbols = (0..<5000).map { _ in Int.random(in: 0..<100, using: &generator) < 97 ? 3 : Int.random(in: 0..<5, using: &generator) }
        var encoder = RangeEncoder()
        for symbol in symbols { encoder.put(frequencies[symbol], after: starts[symbol], of: 12) }
        let bytes = encoder.finish()
        let information = symbols.reduce(0.0) { $0 + 12 - log2(Double(frequencies[$1])) }
        #expect(Double(8 * bytes.count) < 1.005 * information + 40)
        bytes.withUnsafeBytes { bytes in
            var decoder = RangeDecoder(bytes)
            for symbol in symbols.reversed() {
                let share = decoder.share(of: 12)
                #expect(starts[symbol] <= share && share < starts[symbol + 1])
                decoder.advance(frequencies[symbol], share - starts[symbol], of: 12)
            }
        }
    }

    @Test func `numbers beyond a table's range are written all the same`() {
        let table = SymbolTable([0.2, 0.5, 0.2], from: -1, others: 0.1)
        let numbers: [Int16] = [0, 1, -1, 2, -2, 300, -300, .max, .min, 0]
        var encoder = RangeEncoder()
        for number in numbers.reversed() { table.put(number, into: &encoder) }
        encoder.finish().withUnsafeBytes { bytes in
            var decoder = RangeDecoder(bytes)
            #expect(numbers.map { _ in table.next(from: &decoder) } == numbers)
        }
    }
}
