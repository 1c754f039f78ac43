import Glibc
import PandoNN
import PandoTensor

/// The encoder or the decoder of a T5: blocks, the first of which knows how far tokens are apart, and a norm.
struct T5Stack: Module {
    var blocks: [T5Block]
    var norm: RMSNorm
    private let isDecoder: Bool
    private let bucketCount, farthest: Int

    init(_ configuration: T5Configuration, isDecoder: Bool) {
        let count = isDecoder ? configuration.decoderLayerCount : configuration.encoderLayerCount
        blocks = (0..<count).map { T5Block(configuration, isDecoder: isDecoder, isFirst: $0 == 0) }
        norm = RMSNorm(configuration.hiddenSize, epsilon: configuration.epsilon)
        self.isDecoder = isDecoder
        (bucketCount, farthest) = (configuration.bucketCount, configuration.farthest)
    }

    /// What is added to the scores of queries at `positions` for keys `0..<keyCount`: by distance, and in a decoder so
    /// that nothing later is seen.
    ///
    /// - Shapes: `[1, heads, queries, keys]`.
    func bias(forQueriesAt positions: Range<Int>, keyCount: Int) -> Tensor {
        guard let table = blocks.first?.attention.distances else { return .zeros([1, 1, positions.count, keyCount]) }
        let buckets = positions.flatMap { query in (0..<keyCount).map { Int64(bucket(of: $0 - query)) } }
        let bias = table(Tensor(buckets, shape: [positions.count, keyCount])).permuted(2, 0, 1).expanded(at: 0)
        guard isDecoder else { return bias }
        let hidden = positions.flatMap { query in (0..<keyCount).map { $0 > query ? Float(-1e9) : 0 } }
        return bias + Tensor(hidden, shape: [positions.count, keyCount])
    }

    /// The kind of the distance from a query to a key: near ones exactly, far ones by their logarithm.
    ///
    /// - Source: Raffel et al. 2020 (arXiv:1910.10683), section 2.1; the formula of Mesh TensorFlow.
    private func bucket(of distance: Int) -> Int {
        let count = isDecoder ? bucketCount : bucketCount / 2
        let first = !isDecoder && distance > 0 ? count : 0
        let steps = isDecoder ? max(-distance, 0) : abs(distance)
        let exact = count / 2
        if steps < exact { return first + steps }
        let share = logf(Float(steps) / Float(exact)) / Float(log(Double(farthest) / Double(exact)))
        return first + min(exact + Int(share * Float(count - exact)), count - 1)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("block", &blocks)
        visitor.module("final_layer_norm", &norm)
    }
}

/// One layer of attention, perhaps one to an encoder's states, and a perceptron, each of the normalised input and added.
struct T5Block: Module {
    var attentionNorm: RMSNorm
    var attention: T5Attention
    var crossNorm: RMSNorm?
    var cross: T5Attention?
    var perceptronNorm: RMSNorm
    var gate: Linear?
    var expansion, contraction: Linear
    let activation: Activation

    init(_ configuration: T5Configuration, isDecoder: Bool, isFirst: Bool) {
        let (size, wide) = (configuration.hiddenSize, configuration.intermediateSize)
        attentionNorm = RMSNorm(size, epsilon: configuration.epsilon)
        attention = T5Attention(configuration, knowsDistances: isFirst)
        if isDecoder {
            crossNorm = RMSNorm(size, epsilon: configuration.epsilon)
            cross = T5Attention(configuration, knowsDistances: false)
        }
        perceptronNorm = RMSNorm(size, epsilon: configuration.epsilon)
        if configuration.isGated { gate = .blank(size, wide, bias: false) }
        expansion = .blank(size, wide, bias: false)
        contraction = .blank(wide, size, bias: false)
        activation = configuration.activation.function
    }

    /// - Parameters:
    ///   - cache: keys and values of the tokens before; those of `x` are added.
    ///   - encoded: keys and values of the encoder's states, and what is added to their scores.
    func callAsFunction(
        _ x: Tensor, bias: Tensor, _ cache: inout KeyValueCache.Layer,
        encoded: (layer: KeyValueCache.Layer, mask: Tensor)? = nil
    ) -> Tensor {
        let normalized = attentionNorm(x)
        cache.append(key: attention.heads(attention.key, normalized), value: attention.heads(attention.value, normalized))
        var y = attention(normalized, to: cache, bias: bias) + x
        if let cross, let crossNorm, let encoded { y = cross(crossNorm(y), to: encoded.layer, bias: encoded.mask) + y }
        let z = perceptronNorm(y)
        let wide = gate.map { $0(z).applying(activation) * expansion(z) } ?? expansion(z).applying(activation)
        return contraction(wide) + y
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("layer")
        visitor.module("0.SelfAttention", &attention)
        visitor.module("0.layer_norm", &attentionNorm)
        visitor.module("1.EncDecAttention", &cross)
        visitor.module("1.layer_norm", &crossNorm)
        let last = cross == nil ? "1" : "2"
        visitor.module("\(last).DenseReluDense.wi_0", &gate)
        visitor.module("\(last).DenseReluDense.\(gate == nil ? "wi" : "wi_1")", &expansion)
        visitor.module("\(last).DenseReluDense.wo", &contraction)
        visitor.module("\(last).layer_norm", &perceptronNorm)
        visitor.leave()
    }
}

/// Attention without biases and without a scale.
struct T5Attention: Module {
    var query, key, value, output: Linear
    /// What each kind of distance adds to the scores of each head, `[kinds, heads]`.
    var distances: Embedding?
    let headSize: Int

    init(_ configuration: T5Configuration, knowsDistances: Bool) {
        let (size, inner) = (configuration.hiddenSize, configuration.headCount * configuration.headSize)
        query = .blank(size, inner, bias: false)
        key = .blank(size, inner, bias: false)
        value = .blank(size, inner, bias: false)
        output = .blank(inner, size, bias: false)
        if knowsDistances { distances = Embedding(rows: configuration.bucketCount, features: configuration.headCount) }
        headSize = configuration.headSize
    }

    /// `[N, T, C]` → `[N, heads, T, D]`.
    func heads(_ layer: Linear, _ x: Tensor) -> Tensor {
        layer(x).reshaped(x.shape[0], x.shape[1], layer.outFeatures / headSize, headSize).permuted(0, 2, 1, 3)
    }

    func callAsFunction(_ x: Tensor, to seen: KeyValueCache.Layer, bias: Tensor) -> Tensor {
        let mixed = PandoTensor.attention(query: heads(query, x), key: seen.key!, value: seen.value!, mask: bias, scale: 1)
        return output(mixed.permuted(0, 2, 1, 3).reshaped(x.shape[0], x.shape[1], query.outFeatures))
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("q", &query)
        visitor.module("k", &key)
        visitor.module("v", &value)
        visitor.module("o", &output)
        visitor.module("relative_attention_bias", &distances)
    }
}
