import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// What a frozen backbone gives of what can be asked for, over pictures and over texts.
@Suite struct FeatureRequestTests {
    private static func request(_ small: SmallNetwork) -> FeatureRequest {
        FeatureRequest(taps: small.network.taps.map(\.name), vector: true)
    }

    /// An activation, padding zero.
    private func counted(_ activation: Tensor, _ mask: Tensor?) -> Tensor {
        mask.map { activation * $0.expanded(at: 2) } ?? activation
    }

    @Test(arguments: SmallNetwork.all)
    func `a frozen pass gives what the network gives`(_ small: SmallNetwork) {
        let network = small.network
        let direct = network.features(of: small.input, reading: Set(network.taps.map(\.name)))
        let frozen = FrozenBackbone(network, for: Self.request(small), summarizing: network.summaryTaps)
        for workers in [1, 2] {
            let features = frozen.features(of: small.input, workers: workers)
            #expect(features.pooled.shape == [small.input.count, frozen.vectorLength])
            expectClose(features.pooled, direct.vector(summarizing: frozen.summaryTaps), relative: 1e-4, "vector")
            #expect(features.mask?.scalars() == direct.mask?.scalars())
            #expect(features.input == nil)
            for tap in network.taps {
                expectClose(
                    counted(features[tap.name], features.mask), counted(direct[tap.name], direct.mask), relative: 1e-4,
                    tap.name)
            }
        }
    }

    @Test(arguments: SmallNetwork.all)
    func `a vector is what is pooled and the means of taps`(_ small: SmallNetwork) {
        let network = small.network
        let taps = [network.taps[0].name, network.taps[2].name]
        let direct = network.features(of: small.input, reading: Set(taps))
        let vector = FrozenBackbone(network, summarizing: taps.reversed()).features(of: small.input).pooled
        #expect(vector.shape[1] == network.pooledFeatures + network.taps[0].channels + network.taps[2].channels)
        expectClose(vector.slice(0..<network.pooledFeatures, along: 1), direct.pooled, relative: 1e-4)
        var end = network.pooledFeatures
        for name in taps {
            // Row by row over what is no padding.
            for row in 0..<small.input.count {
                let places = direct[name].slice(row..<row + 1).reshaped([-1, direct[name].shape.last!])
                let kept = direct.mask.map { mask in
                    (0..<places.shape[0]).filter { mask.scalars()[row * mask.shape[1] + $0] == 1 }
                } ?? Array(0..<places.shape[0])
                let mean = places.gathered(at: Tensor(kept.map(Int64.init))).mean(along: [0])
                let found = vector.slice(row..<row + 1).slice(end..<end + mean.elementCount, along: 1).reshaped([-1])
                expectClose(found, mean, relative: 1e-4, "\(name), row \(row)")
            }
            end += direct[name].shape.last!
        }
    }

    @Test(arguments: SmallNetwork.all)
    func `what is not asked for is not there`(_ small: SmallNetwork) {
        let count = small.input.count
        let tap = small.network.taps[1].name
        let expected = small.network.features(of: small.input, reading: [tap])
        let tapOnly = FrozenBackbone(small.network, for: FeatureRequest(taps: [tap])).features(of: small.input)
        #expect(tapOnly.pooled.shape == [count, 0] && tapOnly.input == nil && Set(tapOnly.taps.keys) == [tap])
        expectClose(counted(tapOnly[tap], tapOnly.mask), counted(expected[tap], expected.mask), relative: 1e-4)
        let input = FrozenBackbone(small.network, for: .input).features(of: small.input)
        #expect(input.pooled.shape == [count, 0] && input.taps.isEmpty && input.input?.count == count)
        #expect(input.mask?.scalars() == expected.mask?.scalars())
        let none = FrozenBackbone(small.network, for: Self.request(small)).features(of: small.input.slice(0..<0))
        #expect(none.pooled.shape == [0, small.network.pooledFeatures])
        #expect(none[tap].shape == [0] + expected[tap].shape.dropFirst())
    }

    /// Alone and unpadded, and among many that are longer, in slices of several rows.
    @Test(arguments: SmallNetwork.texts.filter { $0.name != "SigLIP's texts" })
    func `padding and neighbours change nothing of a text`(_ small: SmallNetwork) {
        let lengths = (0..<300).map { 1 + $0 * 7 % 11 }
        let texts = TokenTensors.ofLengths(lengths, paddedTo: 12)
        let frozen = FrozenBackbone(small.network, for: Self.request(small), summarizing: small.network.summaryTaps)
        let together = frozen.features(of: .texts(texts), workers: 2)
        for row in [0, 1, 4, 130, 299] {
            let alone = TokenTensors(
                ids: texts.ids.slice(row..<row + 1).slice(0..<lengths[row], along: 1).contiguous(),
                attentionMask: .ones([1, lengths[row]]))
            let features = frozen.features(of: .texts(alone))
            expectClose(together.pooled.slice(row..<row + 1), features.pooled, relative: 1e-5, "row \(row)")
            for tap in small.network.taps.map(\.name) {
                let own = together[tap].slice(row..<row + 1).slice(0..<lengths[row], along: 1)
                expectClose(own, features[tap], relative: 1e-5, "row \(row), \(tap)")
            }
        }
    }

    @Test func `types of tokens are read`() throws {
        let bert = try #require(SmallNetwork.texts.first { $0.name == "BERT" })
        guard case .texts(var texts) = bert.input else { return }
        let frozen = FrozenBackbone(bert.network)
        let untyped = frozen.features(of: .texts(texts)).pooled
        texts.typeIDs = Tensor([Int64](repeating: 0, count: texts.ids.elementCount), shape: texts.ids.shape)
        expectClose(frozen.features(of: .texts(texts)).pooled, untyped, relative: 1e-5)
        texts.typeIDs = Tensor([Int64](repeating: 1, count: texts.ids.elementCount), shape: texts.ids.shape)
        let typed = frozen.features(of: .texts(texts)).pooled
        expectClose(typed, bert.network.features(of: .texts(texts)).pooled, relative: 1e-5)
        #expect(worstDifference(typed, untyped).relative > 0.01)
    }

    @Test func `texts are filled up and cut`() {
        let texts = TokenTensors([[3, 4, 5], [6]], paddedTo: 2)
        #expect(texts.ids.shape == [2, 2] && texts.ids.cast(to: .float32).scalars() == [3, 4, 6, 0])
        #expect(texts.attentionMask.scalars() == [1, 1, 1, 0])
        #expect((1...8).map { TokenTensors.paddedLength($0, atMost: 512) } == Array(repeating: 8, count: 8))
        #expect(TokenTensors.paddedLength(65, atMost: 512) == 80)
        #expect(TokenTensors.paddedLength(510, atMost: 500) == 500)
    }
}
