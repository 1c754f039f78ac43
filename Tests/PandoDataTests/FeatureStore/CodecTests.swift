import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

/// Rows of 40 numbers that lie near a plane of four dimensions, as features of a network do, a few so many times as
/// far out.
func codecSamples(_ count: Int, phase: Float = 0, outliers: Float = 30) -> Tensor {
    let plane = matmul(irregular([count, 4], phase: phase + 1), irregular([4, 40], phase: 2))
    let noise = irregular([count, 40], phase: phase + 3).scalars()
    let values = zip(plane.scalars(), noise).enumerated().map { index, pair in
        (pair.0 + 0.1 * pair.1) * (index % 1999 == 7 ? outliers : 1)
    }
    return Tensor(values, shape: [count, 40])
}

@Suite struct CodecTests {
    private static let all: [FeatureCodec] =
        [.float32, .bfloat16, .int8(), .productQuantization(subvectorLength: 4)] + (1...8).map { .uniform(bits: $0) }

    @Test(arguments: all) func `rows are rebuilt from bytes and parameters alone`(codec: FeatureCodec) throws {
        let fitted = FittedCodec(codec, fitting: codecSamples(2000))
        let rows = codecSamples(50, phase: 10)
        let bytes = fitted.encode(rows)
        let read = fitted.decode(bytes)
        let copy = try FittedCodec(fitted.layout, parameters: fitted.parameters)
        #expect(copy.decode(bytes).scalars() == read.scalars() && copy.encode(rows) == bytes)
        // What was read is coded as it was: a codec loses something once.
        let again = fitted.encode(read)
        if case .productQuantization = codec.coding {} else { #expect(again == bytes) }
        #expect(fitted.decode(again).scalars() == read.scalars())
        let loss = fitted.measure(rows)
        let error = read - rows
        let expected = ((error * error).sum().scalar() / (rows * rows).sum().scalar()).squareRoot()
        #expect(abs(loss.relativeError - Double(expected)) < 1e-4)
        #expect(loss.bitsPerPoint == Double(8 * bytes.reduce(0) { $0 + $1.count }) / 2000)
    }

    @Test func `two and four bytes lose what they must and nothing else`() {
        let rows = codecSamples(20)
        let whole = FittedCodec(.float32, fitting: rows)
        #expect(whole.decode(whole.encode(rows)).scalars() == rows.scalars())
        let halves = FittedCodec(.bfloat16, fitting: rows)
        #expect(halves.decode(halves.encode(rows)).scalars() == rows.scalars().map { Float(BFloat16($0)) })
        let (odd, far) = ([Float(1.0), -0.0, 3.4e38, 1e-40], [Float](repeating: 65504, count: 4))
        let corners = Tensor(odd + far, shape: [2, 4])
        #expect(halves.measure(rows).bitsPerPoint == 16)
        let fitted = FittedCodec(.bfloat16, fitting: corners)
        #expect(fitted.decode(fitted.encode(corners)).scalars() == (odd + far).map { Float(BFloat16($0)) })
    }

    @Test func `a byte is the nearest step of the channel's range`() {
        let channels = 3
        // From -2 to 2, always 7, and from 0 to 1e-3.
        let sample: [Float] = (0...1000).flatMap { (step: Int) -> [Float] in
            [Float(step) / 250 - 2, 7, Float(step) * 1e-6]
        }
        let quantizer = ScalarQuantizer(fitting: sample, channels: channels, bits: 8, percentile: 100)
        var read = [Float](repeating: 0, count: sample.count)
        let bytes = sample.withUnsafeBufferPointer(quantizer.encode)
        read.withUnsafeMutableBufferPointer { target in bytes.withUnsafeBytes { quantizer.decode($0, into: target) } }
        for (index, value) in sample.enumerated() {
            #expect(abs(read[index] - value) <= quantizer.step[index % channels] * 0.5001)
        }
        #expect(Set(stride(from: 0, to: bytes.count, by: 3).map { bytes[$0] }).count == 256)
        let outside: [Float] = [1e30, -1e30, 3.4e38, -3.4e38, 7.1, -1]
        #expect(outside.withUnsafeBufferPointer(quantizer.encode) == [255, 0, 255, 0, 0, 0])
    }

    @Test func `cutting outliers off helps all the others`() {
        let rows = codecSamples(4000)
        let usual = Tensor(rows.scalars().map { min(max($0, -5), 5) }, shape: rows.shape)
        let cut = FittedCodec(.uniform(bits: 4, percentile: 99.5), fitting: rows).measure(usual)
        let whole = FittedCodec(.uniform(bits: 4, percentile: 100), fitting: rows).measure(usual)
        #expect(cut.relativeError < 0.6 * whole.relativeError)
        let patterns = FittedCodec(.productQuantization(subvectorLength: 4), fitting: rows).measure(usual)
        #expect(patterns.bitsPerPoint == 2 && patterns.relativeError < 0.4)
        #expect(FittedCodec(.int8(), fitting: rows).measure(usual).relativeError < 0.15)
    }

    @Test(arguments: 1...8) func `entropy-coded rows are as long as the model says`(bits: Int) {
        let sample = codecSamples(4000).scalars()
        let coder = EntropyCoder(fitting: sample, channels: 40, bits: bits, percentile: 99.9)
        let rows = codecSamples(500, phase: 20).scalars()
        let quantizer = ScalarQuantizer(fitting: sample, channels: 40, bits: bits, percentile: 99.9)
        rows.withUnsafeBufferPointer { rows in
            let bytes = coder.encode(rows)
            let (measured, information) = (Double(8 * bytes.count), coder.information(of: rows))
            #expect(measured < 1.03 * information + 32 && measured > 0.97 * information, "\(measured), \(information)")
            // The frequencies are worth something, and what is read is what the steps say.
            #expect(bits < 3 || measured < 0.97 * Double(bits * rows.count))
            var (read, expected) = (Array(rows), Array(rows))
            read.withUnsafeMutableBufferPointer { target in bytes.withUnsafeBytes { coder.decode($0, into: target) } }
            expected.withUnsafeMutableBufferPointer { target in
                quantizer.encode(rows).withUnsafeBytes { quantizer.decode($0, into: target) }
            }
            #expect(read == expected)
        }
    }

    @Test func `numbers that all frequencies are wrong for come back all the same`() {
        // Learnt from zeros, which then get all but the least share.
        let coder = EntropyCoder(fitting: Array(repeating: 0, count: 4000) + [-1, 1], channels: 1, bits: 8, percentile: 100)
        let rows = irregular([3000]).scalars()
        var read = rows
        rows.withUnsafeBufferPointer { rows in
            let bytes = coder.encode(rows)
            read.withUnsafeMutableBufferPointer { target in bytes.withUnsafeBytes { coder.decode($0, into: target) } }
        }
        #expect(zip(rows, read).allSatisfy { abs($0 - $1) < 0.005 })
    }

    @Test func `bytes that nobody encoded give numbers of the channels' ranges`() {
        let coder = EntropyCoder(fitting: codecSamples(500).scalars(), channels: 40, bits: 5, percentile: 99.9)
        let quantizer = ScalarQuantizer(fitting: codecSamples(500).scalars(), channels: 40, bits: 5, percentile: 99.9)
        var generator = SeededGenerator(seed: 1)
        for length in [0, 1, 3, 4, 17, 5000] {
            let noise = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            for bytes in [noise, Array(repeating: 0, count: length), Array(repeating: 255, count: length)] {
                var values = [Float](repeating: .nan, count: 4000)
                values.withUnsafeMutableBufferPointer { target in
                    bytes.withUnsafeBytes { coder.decode($0, into: target) }
                }
                #expect(
                    values.enumerated().allSatisfy { index, value in
                        let (low, step) = (quantizer.low[index % 40], quantizer.step[index % 40])
                        return value >= low && value <= low + 31.01 * step
                    })
            }
        }
    }

    @Test func `a pattern is the nearest one`() throws {
        let fitted = FittedCodec(.productQuantization(subvectorLength: 8), fitting: codecSamples(600))
        let patterns = try #require(fitted.parameters["patterns"]).scalars()
        let rows = codecSamples(10, phase: 5)
        let values = rows.scalars()
        for (index, byte) in fitted.encode(rows).joined().enumerated() {
            let stretch = values[index * 8..<(index + 1) * 8]
            let distances = (0..<256).map { pattern -> Float in
                let start = (index % 5 * 256 + pattern) * 8
                return zip(stretch, patterns[start..<start + 8]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            }
            #expect(distances[Int(byte)] <= distances.min()! * 1.0001 + 1e-5)
        }
        // As few different stretches as patterns: each is found.
        let few = Tensor((0..<300).flatMap { row in (0..<4).map { Float((row % 100) * 4 + $0) } }, shape: [300, 4])
        let exact = FittedCodec(.productQuantization(subvectorLength: 4), fitting: few)
        #expect(exact.decode(exact.encode(few)).scalars() == few.scalars())
    }

    @Test func `parameters that are none are refused`() throws {
        func text(_ codec: FeatureCodec, _ change: (inout [String: Tensor]) -> Void) -> String {
            let fitted = FittedCodec(codec, fitting: codecSamples(300))
            var parameters = fitted.parameters
            change(&parameters)
            do throws(CodecObjection) {
                _ = try FittedCodec(fitted.layout, parameters: parameters)
                return "read"
            } catch { return error.text }
        }
        #expect(text(.int8()) { $0["low"] = nil } == "there is no low")
        #expect(text(.int8()) { $0["step"] = Tensor([1, 2] as [Float]) }.contains("expected float32 of shape [40]"))
        #expect(text(.int8()) { $0["step"] = .filled([40], with: -1) } == "a channel has no range")
        #expect(text(.int8()) { $0["low"] = .filled([40], with: .nan) } == "a channel has no range")
        let shares = [Int32](repeating: 1024, count: 8)
        #expect(text(.uniform(bits: 2)) { $0["frequencies"] = Tensor(shares, shape: [2, 4]) } == "read")
        for start: [Int32] in [[1023], [0, 2048], [-1, 2049]] {
            let shares = start + shares.dropFirst(start.count)
            #expect(text(.uniform(bits: 2)) { $0["frequencies"] = Tensor(shares, shape: [2, 4]) }.contains("not shares"))
        }
        #expect(
            text(.productQuantization(subvectorLength: 4)) { $0["patterns"] = .filled([10, 256, 4], with: .infinity) }
                == "a pattern is not finite")
    }

    @Test func `codecs that a shape cannot have are named`() {
        func problem(_ codec: FeatureCodec, _ shape: [Int], _ isVarying: Bool = false) -> String? {
            codec.problem(with: shape, isVarying: isVarying)
        }
        #expect(problem(.productQuantization(subvectorLength: 7), [40])?.contains("no multiple") == true)
        #expect(problem(.uniform(bits: 9), [40])?.contains("9 bits") == true)
        #expect(problem(.int8(percentile: 50), [40])?.contains("percentile") == true)
        #expect(problem(.bfloat16.pooled(by: 2), [40])?.contains("neighbours") == true)
        #expect(problem(.bfloat16.pooled(by: 2), [4, 4, 8], true)?.contains("neighbours") == true)
        #expect(problem(.uniform(bits: 1).pooled(by: 3), [4, 4, 8]) == nil)
    }
}
