import PandoNN
import PandoTensor

/// A Llama-style decoder, under Hugging Face's names; Mistral and Qwen2 are such.
///
/// - Shapes: `[N, T]` → taps `layers.0` to `layers.n` of `[N, T, C]`; pooled `[N, C]`, the normalised state of each
///   text's last token. Padding stands behind a text.
/// - Source: Touvron et al. 2023 (arXiv:2302.13971), section 2.2; grouped queries: Ainslie et al. 2023
///   (arXiv:2305.13245).
public struct Llama: TextBackbone, LanguageModel {
    var words: Embedding
    var layers: [LlamaLayer]
    var norm: RMSNorm
    /// Tells the next token; `nil` where the table of tokens does.
    var head: Linear?
    public let configuration: LlamaConfiguration

    /// The network with weights of the right shapes, to be loaded or initialised.
    /// - Precondition: `configuration` has no problems.
    public init(_ configuration: LlamaConfiguration) {
        require(configuration.problems.isEmpty, "Llama: \(configuration.problems.joined(separator: "; "))")
        let size = configuration.hiddenSize
        words = Embedding(rows: configuration.vocabularySize, features: size)
        layers = (0..<configuration.layerCount).map { _ in LlamaLayer(configuration) }
        norm = RMSNorm(size, epsilon: configuration.epsilon)
        if !configuration.tiesEmbeddings { head = .blank(size, configuration.vocabularySize, bias: false) }
        self.configuration = configuration
    }

    public var pooledFeatures: Int { configuration.hiddenSize }
    public var maximumLength: Int { configuration.maximumLength }
    public var vocabularySize: Int { configuration.vocabularySize }
    public var ends: Set<Int> { Set(configuration.ends) }

    public var taps: [Tap] {
        layers.indices.map {
            Tap(name: "layers.\($0)", depth: $0 + 1, channels: configuration.hiddenSize, kind: .tokens)
        }
    }

    public func features(of texts: TokenTensors, reading names: Set<Tap.Name>) -> Features {
        requireTaps(names)
        let length = texts.ids.shape[1]
        require((1...maximumLength).contains(length), "Llama: \(length) tokens, expected 1...\(maximumLength)")
        let places = RotaryPositions(0..<length, rotations: configuration.rotations)
        let mask = TokenTensors.addedToScores(texts.attentionMask)
        var x = words(texts.ids)
        var taps: [Tap.Name: Tensor] = [:]
        for (index, layer) in layers.enumerated() {
            var none = KeyValueCache.Layer()
            x = layer(x, at: places, mask: mask, isCausal: true, &none)
            if names.contains("layers.\(index)") { taps["layers.\(index)"] = x }
        }
        let last = texts.lastTokens.expanded(at: 2).cast(to: x.elementType)
        return Features(taps: taps, pooled: norm((x * last).sum(along: [1])), mask: self.mask(of: .texts(texts)))
    }

    public func logits(of ids: Tensor, cache: inout KeyValueCache) -> Tensor {
        let (seen, length) = (cache.length, ids.shape[1])
        require(
            length > 0 && seen + length <= maximumLength,
            "Llama: \(length) tokens after \(seen), expected at least one and no more than \(maximumLength) in all")
        let places = RotaryPositions(seen..<seen + length, rotations: configuration.rotations)
        // Tokens that come together, after others: each sees those and the ones before it.
        let mask = seen > 0 && length > 1 ? cache.mask(forNext: length) : nil
        if cache.layers.isEmpty { cache.layers = layers.map { _ in KeyValueCache.Layer() } }
        var x = words(ids)
        for (index, layer) in layers.enumerated() {
            x = layer(x, at: places, mask: mask, isCausal: seen == 0, &cache.layers[index])
        }
        let normalized = norm(x)
        return head?(normalized) ?? linear(normalized, weight: words.weight.cast(to: normalized.elementType))
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("embed_tokens", &words)
        visitor.modules("layers", &layers)
        visitor.module("norm", &norm)
        visitor.module("lm_head", &head)
    }
}

/// One decoder layer: attention to turned keys and a gated perceptron, each of the normalised input and added to it.
struct LlamaLayer: Module {
    var attentionNorm: RMSNorm
    var query, key, value, output: Linear
    var perceptronNorm: RMSNorm
    var gate, expansion, contraction: Linear
    let headSize: Int
    let activation: Activation

    init(_ configuration: LlamaConfiguration) {
        let (size, wide, head) = (configuration.hiddenSize, configuration.intermediateSize, configuration.headSize)
        let (queries, keys) = (configuration.headCount * head, configuration.keyHeadCount * head)
        attentionNorm = RMSNorm(size, epsilon: configuration.epsilon)
        query = .blank(size, queries, bias: configuration.hasProjectionBias)
        key = .blank(size, keys, bias: configuration.hasProjectionBias)
        value = .blank(size, keys, bias: configuration.hasProjectionBias)
        output = .blank(queries, size, bias: configuration.hasOutputBias)
        perceptronNorm = RMSNorm(size, epsilon: configuration.epsilon)
        gate = .blank(size, wide, bias: configuration.hasPerceptronBias)
        expansion = .blank(size, wide, bias: configuration.hasPerceptronBias)
        contraction = .blank(wide, size, bias: configuration.hasPerceptronBias)
        headSize = head
        activation = configuration.activation.function
    }

    /// - Parameter cache: keys and values of the tokens before; those of `x` are added.
    func callAsFunction(
        _ x: Tensor, at places: RotaryPositions, mask: Tensor?, isCausal: Bool, _ cache: inout KeyValueCache.Layer
    ) -> Tensor {
        let (count, length) = (x.shape[0], x.shape[1])
        let normalized = attentionNorm(x)
        func heads(_ layer: Linear) -> Tensor {  // [N, T, heads · D] → [N, heads, T, D]
            layer(normalized).reshaped(count, length, layer.outFeatures / headSize, headSize).permuted(0, 2, 1, 3)
        }
        cache.append(key: heads(key).rotated(by: places), value: heads(value))
        let mixed = attention(
            query: heads(query).rotated(by: places), key: cache.key!, value: cache.value!, mask: mask, isCausal: isCausal)
        let attended = output(mixed.permuted(0, 2, 1, 3).reshaped(count, length, query.outFeatures)) + x
        let y = perceptronNorm(attended)
        return contraction(gate(y).applying(activation) * expansion(y)) + attended
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("self_attn")
        visitor.module("q_proj", &query)
        visitor.module("k_proj", &key)
        visitor.module("v_proj", &value)
        visitor.module("o_proj", &output)
        visitor.leave()
        visitor.enter("mlp")
        visitor.module("gate_proj", &gate)
        visitor.module("up_proj", &expansion)
        visitor.module("down_proj", &contraction)
        visitor.leave()
        visitor.module("input_layernorm", &attentionNorm)
        visitor.module("post_attention_layernorm", &perceptronNorm)
    }
}
