import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// Self-attention led by a prefix.
@Suite struct SelfAttentionTests {
    private static let sizes = TransformerBlockSizes(features: 16, headCount: 2, intermediateSize: 8, epsilon: 1e-5)
    private static let prefix = AttentionPrefix(key: irregular([3, 16], phase: 5), value: irregular([3, 16], phase: 6))

    /// Softmax over the prefix's and the tokens' keys, number by number.
    private func naive(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, heads: Int, sees: (_ row: Int, _ column: Int) -> Bool
    ) -> Tensor {
        func padded(_ own: Tensor, _ prefix: Tensor) -> Tensor {
            .concatenated([prefix.expanded(at: 0).broadcast(to: [own.shape[0]] + prefix.shape), own], along: 1)
        }
        let (keys, values) = (padded(key, Self.prefix.key), padded(value, Self.prefix.value))
        let (count, length, width) = (query.shape[0], query.shape[1], query.shape[2] / heads)
        let (q, k, v) = (query.scalars(), keys.scalars(), values.scalars())
        let total = keys.shape[1]
        var result = [Float](repeating: 0, count: query.elementCount)
        for sample in 0..<count {
            for row in 0..<length {
                for head in 0..<heads {
                    let from = (sample * length + row) * heads * width + head * width
                    func place(_ column: Int) -> Int { (sample * total + column) * heads * width + head * width }
                    let columns = (0..<total).filter { $0 < 3 || sees(row, $0 - 3) }
                    let shares = columns.map { column -> Double in
                        var score = 0.0
                        for index in 0..<width { score += Double(q[from + index] * k[place(column) + index]) }
                        return exponential(score / Double(width).squareRoot())
                    }
                    let sum = shares.reduce(0, +)
                    for (share, column) in zip(shares, columns) {
                        for index in 0..<width { result[from + index] += Float(share / sum) * v[place(column) + index] }
                    }
                }
            }
        }
        return Tensor(result, shape: query.shape)
    }

    private func exponential(_ x: Double) -> Double { Double(Tensor([Float(x)]).exp().scalar()) }

    @Test func `a BERT layer sees the prefix and no padding`() {
        var attention = BERTAttention(features: 16, headCount: 2).filled()
        attention.prefix = Self.prefix
        let x = irregular([1, 5, 16])
        let mask = TokenTensors.addedToScores(Tensor([Float](arrayLiteral: 1, 1, 1, 0, 0), shape: [1, 5]))
        let expected = naive(attention.query(x), attention.key(x), attention.value(x), heads: 2) { _, column in column < 3 }
        expectClose(attention(x, mask: mask), expected, relative: 1e-5)
        let all = naive(attention.query(x), attention.key(x), attention.value(x), heads: 2) { _, _ in true }
        expectClose(attention(x, mask: nil), all, relative: 1e-5)
    }

    @Test func `a causal block sees the prefix and what stands before`() {
        var attention = TransformerAttention(Self.sizes).filled()
        attention.prefix = Self.prefix
        let x = irregular([2, 4, 16])
        let projected = attention.projections(x)
        func part(_ index: Int) -> Tensor { projected.slice(16 * index..<16 * (index + 1), along: 2).contiguous() }
        let expected = naive(part(0), part(1), part(2), heads: 2) { row, column in column <= row }
        expectClose(attention(x, scaledBy: nil, mask: nil, isCausal: true), attention.output(expected), relative: 1e-5)
        let unmasked = TokenTensors.addedToScores(.ones([2, 4]))
        expectClose(attention(x, scaledBy: nil, mask: unmasked, isCausal: true), attention.output(expected), relative: 1e-5)
    }

    @Test func `a prefix's gradients match central differences`() {
        let x = irregular([2, 4, 16], phase: 2)
        expectGradients(of: [Self.prefix.key, Self.prefix.value]) { tensors in
            var attention = TransformerAttention(Self.sizes).filled()
            attention.prefix = AttentionPrefix(key: tensors[0], value: tensors[1])
            return attention(x, scaledBy: nil, mask: nil, isCausal: true)
        }
    }

    @Test func `attentions are found by path`() {
        let counts: [String: (Int, String)] = [
            "BERT": (3, "encoder.layer.0.attention.self"), "ViT": (3, "blocks.0.attn"), "CLIP's texts": (3, "blocks.0.attn"),
            "Swin": (0, ""), "ResNet": (0, ""),
        ]
        for small in SmallNetwork.all {
            guard let (count, first) = counts[small.name] else { continue }
            let found = small.network.selfAttentions
            #expect(found.count == count, "\(small.name)")
            #expect(found.first?.path ?? "" == first)
            for entry in found { #expect(entry.attention.features == 16 && entry.attention.headCount == 2) }
        }
    }

    /// Of the layers led, the states change from the first on; names and tensors stay as they are.
    @Test(arguments: SmallNetwork.all.filter { !$0.network.selfAttentions.isEmpty })
    func `prefixes of a network come and go`(_ small: SmallNetwork) throws {
        func check(_ network: some BlockwiseBackbone) throws {
            let taps = network.taps.map(\.name)
            let plain = network.features(of: small.input, reading: Set(taps))
            let attentions = network.selfAttentions
            var led = network
            led.prefixSelfAttentions { path, _ in path == attentions[1].path ? Self.prefix : nil }
            #expect(led.namedTensors.map(\.name) == network.namedTensors.map(\.name))
            let changed = led.features(of: small.input, reading: Set(taps))
            let first = network.tapIndex(
                ofTensor: try #require(network.namedTensors.first { $0.name.hasPrefix(attentions[1].path + ".") }).name)
            for name in taps[..<first] { #expect(changed[name].scalars() == plain[name].scalars(), "\(name)") }
            for name in taps[first...] { #expect(worstDifference(changed[name], plain[name]).relative > 1e-3, "\(name)") }
            led.prefixSelfAttentions { _, _ in nil }
            #expect(led.features(of: small.input).pooled.scalars() == plain.pooled.scalars())
        }
        try check(small.network)
    }
}
