import PandoTensor
import PandoTestSupport
import Testing

/// What the memory meter counts. Each test counts in a process of its own: the meter is the process's.
@Suite struct MemoryMeterTests {
    @Test func thePeakIsWhatWasLiveAtOnce() async {
        await #expect(processExitsWith: .success) {
            let start = MemoryMeter.liveBytes
            let one = MemoryMeter.measure {
                _ = Tensor.zeros([1 << 20])
                return Tensor.zeros([1 << 18])
            }
            #expect(one.peakBytes == 4 << 20, "the first was gone before the second came")
            #expect(MemoryMeter.liveBytes - start == one.result.byteCount)
            let both = MemoryMeter.measure {
                let first = Tensor.zeros([1 << 20])
                let second = Tensor.zeros([1 << 20])
                #expect(first.elementCount == second.elementCount)
            }
            #expect(both.peakBytes == 8 << 20)
        }
    }

    @Test func whatIsLetGoIsGivenBack() async {
        await #expect(processExitsWith: .success) {
            let start = MemoryMeter.liveBytes
            for size in [1, 63, 64, 65, 1000, 123_457] { _ = Tensor.zeros([size], .uint8) }
            #expect(MemoryMeter.liveBytes == start)
        }
    }

    @Test func viewsHoldNothingOfTheirOwn() async {
        await #expect(processExitsWith: .success) {
            let tensor = Tensor.zeros([256, 256])
            let start = MemoryMeter.liveBytes
            let views = [
                tensor.transposed, tensor.slice(3..<9), tensor.reshaped(-1), tensor.broadcast(to: [9, 256, 256]),
            ]
            #expect(MemoryMeter.liveBytes == start)
            #expect(views.count == 4)
        }
    }

    @Test func roundingUpWastesAtMostAnEighth() async {
        await #expect(processExitsWith: .success) {
            for size in stride(from: 1, to: 3_000_000, by: 7919) {
                let bytes = MemoryMeter.measure { _ = Tensor.zeros([size], .uint8) }.peakBytes
                #expect(bytes >= size && bytes <= size + size / 8 + 64)
            }
        }
    }

    @Test func programsOfOneFunctionShareTheirWeights() async {
        await #expect(processExitsWith: .success) {
            let weight = irregular([256, 64, 3, 3])
            let bytes = weight.byteCount
            @Sendable func network(_ x: Tensor) -> [Tensor] {
                [x.convolved(with: weight, padding: Padding(1)).relu()]
            }
            let weights = PackedWeights()
            let programs = [1, 2].map { Program(inputShape: [$0, 2, 2, 64], sharing: weights, network) }
            let start = MemoryMeter.liveBytes
            let third = Program(inputShape: [3, 2, 2, 64], sharing: weights, network)
            let shared = MemoryMeter.liveBytes - start
            let alone = Program(inputShape: [3, 2, 2, 64], network)
            #expect(shared < bytes / 2)
            #expect(MemoryMeter.liveBytes - start - shared >= bytes)
            #expect(programs.count == 2 && third.inputShape == alone.inputShape)
        }
    }
}
