import PandoTensor
import PandoTestSupport
import Testing

/// Slices of a batch computed side by side, forward and backward.
@Suite struct LaneTests {
    private static let x = irregular([7, 4, 5, 3], phase: 1)
    private static let weight = irregular([19, 3, 3, 3], phase: 2)
    private static let scale = irregular([19], phase: 3) + 2
    private static let shift = irregular([19], phase: 4)

    /// Two convolutions and norms over the whole batch, whose slices the lanes compute.
    private static func network(_ leaves: [Tensor], lanes: Int) -> Tensor {
        let (x, weight, scale, shift) = (leaves[0], leaves[1], leaves[2], leaves[3])
        let parts = inLanes(lanes) { lane -> Tensor in
            let slice = x.slice(lane.share(of: 7))
            let map = slice.convolved(with: weight, padding: Padding(1))
            let normalized = map.batchNormalized(weight: scale, bias: shift, epsilon: 1e-3).output.silu()
            return normalized.batchNormalized(weight: shift, bias: scale, epsilon: 1e-3).output.mean(along: [1, 2])
        }
        return Tensor.concatenated(parts, along: 0).softmax()
    }

    private static func gradients(lanes: Int, _ type: ElementType = .float32) -> [Tensor] {
        let leaves = [x, weight, scale, shift].map { $0.cast(to: type).differentiable }
        let seed = irregular([7, 19], phase: 5)
        let output = network(leaves, lanes: lanes)
        return [output] + output.gradients(for: leaves, seed: seed)
    }

    @Test(arguments: [2, 3, 7])
    func lanesComputeWhatOneThreadDoes(lanes: Int) {
        for (found, expected) in zip(Self.gradients(lanes: lanes), Self.gradients(lanes: 1)) {
            expectClose(found, expected, relative: 2e-5)
        }
    }

    @Test func theSameLanesGiveTheSameBits() {
        let first = Self.gradients(lanes: 3)
        for _ in 0..<5 {
            for (again, once) in zip(Self.gradients(lanes: 3), first) { #expect(again.scalars() == once.scalars()) }
        }
    }

    @Test func reducedPrecisionStaysClose() {
        for (found, expected) in zip(Self.gradients(lanes: 2, .bfloat16), Self.gradients(lanes: 1)) {
            let cosine = (found.cast(to: .float32) * expected).sum() / (
                found.cast(to: .float32).squared().sum() * expected.squared().sum()).squareRoot()
            #expect(cosine.scalar() > 0.99)
        }
    }

    @Test func statisticsAreThoseOfTheWholeBatch() {
        let whole = Self.x.batchNormalized(weight: .ones([3]), bias: .zeros([3]), epsilon: 1e-3)
        let parts = inLanes(3) { lane in
            Self.x.slice(lane.share(of: 7)).batchNormalized(weight: .ones([3]), bias: .zeros([3]), epsilon: 1e-3)
        }
        for part in parts {
            expectClose(part.mean, whole.mean)
            expectClose(part.variance, whole.variance)
            #expect(part.count == 7 * 4 * 5)
        }
    }

    @Test func aReleasingPassLetsGoOfWhatTheTapeKept() async {
        await #expect(processExitsWith: .success) {
            let leaf = irregular([64, 64]).differentiable
            let value = (leaf.silu().silu() * 2).silu().sum()
            let kept = MemoryMeter.live.activations
            #expect(kept >= 2 * 64 * 64 * 4)
            _ = value.gradients(for: [leaf], releasing: true)
            #expect(MemoryMeter.live.activations == 0)
        }
    }
}
