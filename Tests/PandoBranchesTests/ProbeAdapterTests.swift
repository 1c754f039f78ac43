import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Adapters that read vectors, means and moments.
@Suite struct ProbeAdapterTests {
    @Test func `moment probing has as many parameters and features as the paper's`() {
        var generator = SeededGenerator(seed: 1)
        let second = CrossCovariance(channels: 768, width: 512, heads: 4, interleaves: false, using: &generator)
        let adapter = MomentProbing(
            reading: Tap(name: "blocks.11", depth: 12, channels: 768, kind: .tokens), vectorLength: 768, skipping: 1,
            second: second)
        #expect(adapter.parameterCount == 768 * 512 + 512 + 2 * 128 + 2 * 81)
        #expect(second.featureCount == 2883)
        #expect(adapter.featureCount == 768 + 2883)
        #expect([32, 64, 128].map(CrossCovariance.outputSide) == [7, 15, 31])
    }

    @Test func `one linear layer over both moments is the mean of two classifiers`() {
        var generator = SeededGenerator(seed: 2)
        let second = CrossCovariance(channels: 8, width: 32, heads: 2, interleaves: false, using: &generator)
        let adapter = MomentProbing(
            reading: Tap(name: "0", depth: 1, channels: 8, kind: .tokens), vectorLength: 5, skipping: 0, second: second)
        let features = Features(taps: ["0": irregular([3, 9, 8])], pooled: irregular([3, 5], phase: 1))
        let (one, two) = (
            Linear(5, 4, using: &generator), Linear(second.featureCount, 4, using: &generator)
        )
        let both = Linear(
            weight: .concatenated([one.weight, two.weight], along: 1), bias: (one.bias! + two.bias!) * 0.5)
        let moment = adapter(features).slice(5..<adapter.featureCount, along: 1) * 2
        expectClose(both(adapter(features)), (one(features.pooled) + two(moment)) * 0.5)
    }

    @Test func `second moments tell apart what means do not, and do not ask for the order of tokens`() {
        var generator = SeededGenerator(seed: 3)
        let covariance = CrossCovariance(channels: 4, width: 28, heads: 4, interleaves: true, using: &generator)
        let half = irregular([1, 6, 4])
        let tokens = Tensor.concatenated([half, -half], along: 1)
        let order = Tensor([4, 9, 0, 11, 2, 7, 1, 3, 5, 10, 8, 6] as [Int64])
        let moments = covariance(tokens, mask: nil)
        expectClose(covariance(tokens.gathered(at: order, along: 1), mask: nil), moments, relative: 1e-4)
        // The same mean, other features together.
        let sheared = tokens * Tensor([1, -1, 1, 1] as [Float])
        #expect(worstDifference(covariance(sheared, mask: nil), moments).relative > 0.1)
        let columns = covariance.covariances(tokens, mask: nil).squared().sum(along: [2])
        expectClose(columns, .ones(columns.shape), relative: 1e-4)
    }

    @Test func `centring each feature takes away what all tokens share, one mean for all does not`() {
        var generator = SeededGenerator(seed: 4)
        let plain = CrossCovariance(channels: 6, width: 16, heads: 2, interleaves: false, using: &generator)
        var centred = CrossCovariance(
            channels: 6, width: 16, heads: 2, interleaves: false, centering: .channel, using: &generator)
        (centred.projection, centred.norm) = (plain.projection, plain.norm)
        let same = irregular([1, 1, 6]).broadcast(to: [1, 5, 6]).contiguous()
        #expect(plain.covariances(same, mask: nil).absolute().max().scalar() > 0.1)
        let rest = centred.covariances(same, mask: nil)
        #expect(rest.shape == [1, 1, 8, 8] && rest.isFinite)
        var shifted = plain
        shifted.norm.bias = .filled([8], with: 3)
        let unshifted = plain.covariances(irregular([1, 5, 6]), mask: nil)
        expectClose(shifted.covariances(irregular([1, 5, 6]), mask: nil), unshifted, relative: 1e-3)
    }

    @Test func `a class token is no place`() throws {
        var generator = SeededGenerator(seed: 5)
        let vit = AdapterSubject.vit
        let adapter = try MomentProbingConfiguration().makeAdapter(
            on: vit.backbone, vectorLength: 32, using: &generator)
        #expect((adapter as? MomentProbing)?.skipped == 1)
        let features = vit.features(adapter.request)
        var moved = features
        moved.taps = features.taps.mapValues { tokens in
            .concatenated([tokens.slice(0..<1, along: 1) + 9, tokens.slice(1..<tokens.shape[1], along: 1)], along: 1)
        }
        #expect(adapter(moved).scalars() == adapter(features).scalars())
    }

    @Test func `a fresh mixture is the mean of normalised states, and its scale scales it`() {
        var generator = SeededGenerator(seed: 6)
        var mix = LayerMix(reading: ["0", "1"], channels: [6, 6], using: &generator)
        let states = [irregular([2, 4, 6]), irregular([2, 4, 6], phase: 1)]
        let features = Features(taps: ["0": states[0], "1": states[1]], pooled: .zeros([2, 0]))
        func normalized(_ x: Tensor) -> Tensor {
            let mean = x.mean(along: [1])
            return mean.layerNormalized(weight: .ones([6]), bias: .zeros([6]), epsilon: 1e-5)
        }
        expectClose(mix(features), (normalized(states[0]) + normalized(states[1])) * 0.5)
        mix.weights = Tensor([50, 0] as [Float])
        mix.scale = Tensor([3 as Float])
        expectClose(mix(features), normalized(states[0]) * 3)
        #expect(mix.parameterCount == 3)
    }

    @Test func `hidden features are dropped in training alone`() {
        var generator = SeededGenerator(seed: 7)
        let mlp = MLP(vectorLength: 6, hidden: 400, dropout: 0.5, using: &generator)
        #expect(mlp.parameterCount == 6 * 400 + 400 + 12)
        let features = Features(pooled: irregular([2, 6]))
        func zeros(_ x: Tensor) -> Int { x.scalars().filter { $0 == 0 }.count }
        let (plain, dropped) = (mlp(features), mlp(features, during: TrainingPass(using: generator)))
        #expect(zeros(dropped) > zeros(plain) + 100)
        #expect(dropped.scalars() == mlp(features, during: TrainingPass(using: generator)).scalars())
    }

    @Test func `options that do not fit are refused with what would do`() {
        var generator = SeededGenerator(seed: 8)
        let (bert, mobile) = (AdapterSubject.bert.backbone, AdapterSubject.mobileNet.backbone)
        func refusal(_ configuration: some AdapterConfiguration, _ backbone: any Backbone) -> String {
            do {
                _ = try configuration.makeAdapter(on: backbone, vectorLength: 32, using: &generator)
                return ""
            } catch { return error.description }
        }
        var moments = MomentProbingConfiguration()
        moments.width = 20
        #expect(refusal(moments, bert).contains("256 would do"))
        moments = MomentProbingConfiguration()
        moments.skip = 1
        #expect(refusal(moments, mobile).contains("leave out `skip`"))
        var probe = AttentionProbeConfiguration()
        probe.heads = 5
        #expect(refusal(probe, bert).contains("a `width` of 35 or 1 head would do"))
    }
}
