import PandoNN

/// The sizes and parts of a T5.
public struct T5Configuration: Sendable, Hashable, Codable {
    public var vocabularySize: Int
    public var hiddenSize: Int
    public var headCount: Int
    public var headSize: Int
    public var intermediateSize: Int
    public var encoderLayerCount: Int
    /// 0 for the encoder alone.
    public var decoderLayerCount: Int
    /// Distances between tokens are told apart in so many kinds, up to `farthest`.
    public var bucketCount = 32
    public var farthest = 128
    public var activation = NamedActivation.relu
    /// Whether one layer of the perceptron gates another, as in version 1.1.
    public var isGated = false
    public var epsilon: Float = 1e-6
    /// Whether the next token is told by weights of its own; else by the table of tokens.
    public var hasHead = false
    /// Whether the decoder's states are divided by the root of their size before that.
    public var scalesStates = true
    /// What a generated text begins with.
    public var start = 0
    /// The tokens that end a text.
    public var ends = [1]
    public var pooling = TextPooling.mean

    public init(
        vocabularySize: Int, hiddenSize: Int, headCount: Int, headSize: Int, intermediateSize: Int,
        encoderLayerCount: Int, decoderLayerCount: Int
    ) {
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.headCount = headCount
        self.headSize = headSize
        self.intermediateSize = intermediateSize
        self.encoderLayerCount = encoderLayerCount
        self.decoderLayerCount = decoderLayerCount
    }
}

extension T5Configuration: BackboneConfiguration {
    public static let family = "t5"
    public static let modelTypes = ["t5"]

    public init(modelType: String, reading file: inout ConfigurationReader) {
        let layers = file.integer("num_layers", in: 1...256, default: 6)
        self.init(
            vocabularySize: file.integer("vocab_size", in: 1...10_000_000, default: 32128),
            hiddenSize: file.integer("d_model", in: 1...16384, default: 512),
            headCount: file.integer("num_heads", in: 1...1024, default: 8),
            headSize: file.integer("d_kv", in: 1...4096, default: 64),
            intermediateSize: file.integer("d_ff", in: 1...131_072, default: 2048), encoderLayerCount: layers,
            decoderLayerCount: file.integer("num_decoder_layers", in: 0...256, default: layers))
        bucketCount = file.integer("relative_attention_num_buckets", in: 4...4096, default: 32)
        farthest = file.integer("relative_attention_max_distance", in: 1...1_000_000, default: 128)
        epsilon = file.number("layer_norm_epsilon", in: 0...1, default: 1e-6)
        let proj = file.text("feed_forward_proj", default: "relu")
        isGated = proj.hasPrefix("gated-")
        // Version 1.1 says "gelu" and means its approximation.
        let name = proj == "gated-gelu" ? "gelu_new" : isGated ? String(proj.dropFirst(6)) : proj
        if let known = NamedActivation(rawValue: name) {
            activation = known
        } else {
            file.problem("feed_forward_proj", "unknown activation in '\(proj)'")
        }
        let isTied = file.flag("tie_word_embeddings", default: true)
        hasHead = !isTied
        scalesStates = file.flag("scale_decoder_outputs", default: isTied)
        start = file.integer("decoder_start_token_id", in: 0...10_000_000, default: file.integer("pad_token_id", in: 0...10_000_000, default: 0))
        ends = file.wholeNumbers("eos_token_id", in: 0...10_000_000) ?? [1]
    }

    public var initialization: Initialization { .transformer }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("the vocabulary's size", [vocabularySize], in: 1...10_000_000)
        sizes.check("the hidden size", [hiddenSize], in: 1...16384)
        sizes.check("the number of heads", [headCount], in: 1...1024)
        sizes.check("the size of a head", [headSize], in: 1...4096)
        sizes.check("the intermediate size", [intermediateSize], in: 1...131_072)
        sizes.check("the number of the encoder's layers", [encoderLayerCount], in: 1...256)
        sizes.check("the number of the decoder's layers", [decoderLayerCount], in: 0...256)
        sizes.check("the kinds of distances", [bucketCount], in: 4...4096)
        sizes.check("the farthest distance", [farthest], in: 1...1_000_000)
        sizes.expect(
            farthest > bucketCount / 2, "\(bucketCount) kinds of distances are too many for distances up to \(farthest)")
        sizes.expect((0..<vocabularySize).contains(start), "the first token \(start) is not in the vocabulary")
        sizes.expect(pooling != .pooler, "there is no pooler to pool by")
        return sizes.problems
    }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.hasHead = shapes["lm_head.weight"] != nil
        if !shapes.keys.contains(where: { $0.hasPrefix("decoder.") }) { fitted.decoderLayerCount = 0 }
        return fitted
    }

    public func makeNetwork() -> T5 { T5(self) }

    public var dialects: [Dialect] {
        [
            Dialect(
                "transformers",
                // The table of tokens under other names, and a table that was never used.
                ignoring: [
                    "encoder.embed_tokens", "decoder.embed_tokens",
                    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias",
                ])
        ]
    }
}
