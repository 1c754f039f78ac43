import PandoNN
import PandoTensor

/// T5 and its version 1.1, under Hugging Face's names: an encoder of texts, and a decoder that answers them.
///
/// As a backbone it is the encoder.
/// - Shapes: `[N, T]` → taps `encoder.block.0` to `encoder.block.n` of `[N, T, C]`, pooled `[N, C]`.
/// - Source: Raffel et al. 2020 (arXiv:1910.10683), section 2.1.
public struct T5: TextBackbone, PoolingTextBackbone {
    var words: Embedding
    var encoder: T5Stack
    var decoder: T5Stack?
    var head: Linear?
    public private(set) var configuration: T5Configuration

    /// The network with weights of the right shapes, to be loaded or initialised.
    /// - Precondition: `configuration` has no problems.
    public init(_ configuration: T5Configuration) {
        require(configuration.problems.isEmpty, "T5: \(configuration.problems.joined(separator: "; "))")
        words = Embedding(rows: configuration.vocabularySize, features: configuration.hiddenSize)
        encoder = T5Stack(configuration, isDecoder: false)
        if configuration.decoderLayerCount > 0 {
            decoder = T5Stack(configuration, isDecoder: true)
            if configuration.hasHead {
                head = .blank(configuration.hiddenSize, configuration.vocabularySize, bias: false)
            }
        }
        self.configuration = configuration
    }

    public var pooledFeatures: Int { configuration.hiddenSize }

    /// Distances have no end; memory has.
    public var maximumLength: Int { 65536 }

    public var taps: [Tap] {
        encoder.blocks.indices.map {
            Tap(name: "encoder.block.\($0)", depth: $0 + 1, channels: configuration.hiddenSize, kind: .tokens)
        }
    }

    public func pooling(by pooling: TextPooling) -> T5? {
        var changed = self
        changed.configuration.pooling = pooling
        return changed.configuration.problems.isEmpty ? changed : nil
    }

    public func features(of texts: TokenTensors, reading names: Set<Tap.Name>) -> Features {
        requireTaps(names)
        var taps: [Tap.Name: Tensor] = [:]
        let states = encoded(texts) { index, state in
            if names.contains("encoder.block.\(index)") { taps["encoder.block.\(index)"] = state }
        }
        return Features(
            taps: taps, pooled: states.pooled(by: configuration.pooling, texts.attentionMask),
            mask: mask(of: .texts(texts)))
    }

    /// The encoder's normalised states, `[N, T]` → `[N, T, C]`.
    private func encoded(_ texts: TokenTensors, _ keep: (Int, Tensor) -> Void = { _, _ in }) -> Tensor {
        let length = texts.ids.shape[1]
        require((1...maximumLength).contains(length), "T5: \(length) tokens, expected 1...\(maximumLength)")
        let bias = encoder.bias(forQueriesAt: 0..<length, keyCount: length)
            + TokenTensors.addedToScores(texts.attentionMask)
        var x = words(texts.ids)
        for (index, block) in encoder.blocks.enumerated() {
            var none = KeyValueCache.Layer()
            x = block(x, bias: bias, &none)
            keep(index, x)
        }
        return encoder.norm(x)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("shared", &words)
        visitor.module("encoder", &encoder)
        visitor.module("decoder", &decoder)
        visitor.module("lm_head", &head)
    }
}

/// Texts that a T5 has read, and what it has written about them so far.
public struct T5Decoding: Sendable {
    /// Keys and values of the encoder's states, for each block of the decoder.
    fileprivate let encoded: [KeyValueCache.Layer]
    fileprivate let mask: Tensor
    fileprivate var written: KeyValueCache

    /// Tokens written.
    public var length: Int { written.length }
}

extension T5 {
    /// Whether there is a decoder.
    public var isDecoding: Bool { decoder != nil }

    /// Reads texts, to be answered token by token.
    /// - Precondition: there is a decoder.
    public func decoding(of texts: TokenTensors) -> T5Decoding {
        guard let decoder else { stop("T5: this checkpoint holds the encoder alone, nothing can be decoded") }
        let states = encoded(texts)
        var written = KeyValueCache()
        written.layers = decoder.blocks.map { _ in KeyValueCache.Layer() }
        let layers = decoder.blocks.map { block in
            var layer = KeyValueCache.Layer()
            if let cross = block.cross {
                layer.append(key: cross.heads(cross.key, states), value: cross.heads(cross.value, states))
            }
            return layer
        }
        return T5Decoding(
            encoded: layers, mask: TokenTensors.addedToScores(texts.attentionMask), written: written)
    }

    /// Scores of the token after each of `ids`, which follow those that `decoding` has seen.
    ///
    /// - Shapes: `int64` `[N, T]` → `[N, T, vocabularySize]`.
    /// - Precondition: there is a decoder.
    public func logits(of ids: Tensor, _ decoding: inout T5Decoding) -> Tensor {
        guard let decoder else { stop("T5: this checkpoint holds the encoder alone, nothing can be decoded") }
        let (seen, length) = (decoding.length, ids.shape[1])
        require(length > 0, "T5: no tokens to decode")
        let bias = decoder.bias(forQueriesAt: seen..<seen + length, keyCount: seen + length)
        var x = words(ids)
        for (index, block) in decoder.blocks.enumerated() {
            x = block(
                x, bias: bias, &decoding.written.layers[index], encoded: (decoding.encoded[index], decoding.mask))
        }
        var states = decoder.norm(x)
        if configuration.scalesStates { states = states * (1 / Float(configuration.hiddenSize).squareRoot()) }
        return head?(states) ?? linear(states, weight: words.weight.cast(to: states.elementType))
    }

    /// What answers each text, always the likeliest token, up to one that ends the answer, which is left out.
    ///
    /// - Shapes: `N` texts → `N` lists of at most `count` tokens.
    /// - Precondition: there is a decoder.
    public func answers(to texts: TokenTensors, atMost count: Int) -> [[Int]] {
        (0..<texts.ids.shape[0]).map { index in
            let text = TokenTensors(
                ids: texts.ids.slice(index..<index + 1), attentionMask: texts.attentionMask.slice(index..<index + 1))
            var decoding = decoding(of: text)
            return greedily(from: [configuration.start], atMost: count, endingWith: Set(configuration.ends)) { ids in
                logits(of: ids, &decoding)
            }
        }
    }
}
