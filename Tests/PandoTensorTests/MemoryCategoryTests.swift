import PandoTensor
import PandoTestSupport
import Testing

/// What bytes count as. Each test counts in a process of its own: the meter is the process's.
@Suite struct MemoryCategoryTests {
    private static let size = 1 << 20

    @Test func bytesChangeTheirCategoryWhileTheyLive() async {
        await #expect(processExitsWith: .success) {
            let bytes = 4 * Self.size
            let start = MemoryMeter.live
            func grown(_ category: MemoryMeter.Category) -> Int { MemoryMeter.live[category] - start[category] }
            let plain = Tensor.ones([Self.size])
            #expect(grown(.workspace) == bytes)
            let leaf = plain.differentiable
            #expect(grown(.workspace) == 0 && grown(.weights) == bytes)
            do {
                let other = Tensor.ones([Self.size])
                let product = leaf * other
                // The product reads `other` for the gradient of the leaf; the leaf itself stays a weight.
                #expect(grown(.activations) == bytes && grown(.weights) == bytes && grown(.workspace) == bytes)
                let second = product.detached * leaf
                #expect(grown(.activations) == 2 * bytes)
                #expect(second.gradients(for: [leaf], seed: .ones([Self.size]))[0].shape == [Self.size])
            }
            #expect(grown(.activations) == 0 && grown(.workspace) == 0)
        }
    }

    @Test func whatTheTapeLetsGoIsNoActivationAnyMore() async {
        await #expect(processExitsWith: .success) {
            let leaf = Tensor.ones([Self.size]).differentiable
            let kept = Tensor.ones([Self.size])
            let start = MemoryMeter.live
            do {
                let results = [leaf * kept, leaf * kept]
                #expect(MemoryMeter.live.activations - start.activations == kept.byteCount)
                #expect(results.count == 2)
            }
            #expect(MemoryMeter.live == start)
        }
    }

    @Test func aReportTellsThePeakAndWhatItWasMadeOf() async {
        await #expect(processExitsWith: .success) {
            let report = MemoryMeter.measure {
                do {
                    let early = Tensor.zeros([3 * Self.size]).counted(as: .optimizer)
                    #expect(early.elementCount == 3 * Self.size)
                }
                let leaf = Tensor.ones([Self.size]).differentiable
                let product = leaf * Tensor.ones([2 * Self.size, 1]).slice(0..<1)
                return product.elementCount
            }
            #expect(report.result == Self.size)
            #expect(report.peaks.optimizer == 12 * Self.size)
            #expect(report.peak.optimizer == 0, "it was gone when the total was highest")
            #expect(report.peak.weights == 4 * Self.size)
            // What a view of one element keeps is all of its storage.
            #expect(report.peak.activations == 8 * Self.size)
            #expect(report.peak.total == report.peak.weights + report.peak.activations + report.peak.workspace)
            #expect(report.peakBytes == report.peak.total - report.start.total)
            #expect(report.end == report.start)
        }
    }

    @Test func regionsMayLieWithinEachOther() async {
        await #expect(processExitsWith: .success) {
            let outer = MemoryMeter.measure {
                _ = Tensor.zeros([4 * Self.size])
                return MemoryMeter.measure { _ = Tensor.zeros([Self.size]) }.peakBytes
            }
            #expect(outer.result == 4 * Self.size)
            #expect(outer.peakBytes == 16 * Self.size)
        }
    }

    @Test func packedWeightsCountAsWeights() async {
        await #expect(processExitsWith: .success) {
            let weight = irregular([256, 64, 3, 3])
            let start = MemoryMeter.live
            let program = Program(inputShape: [1, 2, 2, 64]) { [$0.convolved(with: weight, padding: Padding(1))] }
            #expect(MemoryMeter.live.weights - start.weights >= weight.byteCount)
            #expect(program.threads == 1)
        }
    }
}
