import PandoNN

extension TextTransformerConfiguration: BackboneConfiguration {
    public static let family = "text_transformer"
    public static let modelTypes = ["clip_text_model", "siglip_text_model"]

    public init(modelType: String, reading file: inout ConfigurationReader) {
        if modelType == "siglip_text_model" { self.init(siglip: &file) } else { self.init(clip: &file) }
    }

    /// Hugging Face's `config.json` of CLIP, or its `text_config`.
    init(clip file: inout ConfigurationReader) {
        let end = file.integer("eos_token_id", in: 0...10_000_000, default: 49407)
        self.init(
            vocabularySize: file.integer("vocab_size", in: 1...10_000_000, default: 49408),
            hiddenSize: file.integer("hidden_size", in: Self.hiddenSizes, default: 512),
            layerCount: file.integer("num_hidden_layers", in: Self.layerCounts, default: 12),
            headCount: file.integer("num_attention_heads", in: 1...1024, default: 8),
            intermediateSize: file.integer("intermediate_size", in: Self.intermediateSizes, default: 2048),
            maximumLength: file.integer("max_position_embeddings", in: Self.lengths, default: 77),
            activation: file.activation("hidden_act", default: "quick_gelu"),
            epsilon: file.number("layer_norm_eps", in: 0...1, default: 1e-5),
            // The number that the earliest files state was never CLIP's.
            pooling: end == 2 ? .highest : .endOfText, endOfText: end)
    }

    /// Hugging Face's `config.json` of SigLIP, or its `text_config`.
    init(siglip file: inout ConfigurationReader) {
        let size = file.integer("hidden_size", in: Self.hiddenSizes, default: 768)
        self.init(
            vocabularySize: file.integer("vocab_size", in: 1...10_000_000, default: 32000), hiddenSize: size,
            layerCount: file.integer("num_hidden_layers", in: Self.layerCounts, default: 12),
            headCount: file.integer("num_attention_heads", in: 1...1024, default: 12),
            intermediateSize: file.integer("intermediate_size", in: Self.intermediateSizes, default: 3072),
            maximumLength: file.integer("max_position_embeddings", in: Self.lengths, default: 64),
            activation: file.activation("hidden_act", default: "gelu_pytorch_tanh"),
            epsilon: file.number("layer_norm_eps", in: 0...1, default: 1e-6), isCausal: false, seesPadding: true,
            pooling: .last, endOfText: 0,
            outputSize: file.integer("projection_size", in: 1...65536, default: size))
    }

    private static let hiddenSizes = VisionTransformerConfiguration.hiddenSizes
    private static let layerCounts = VisionTransformerConfiguration.layerCounts
    private static let intermediateSizes = VisionTransformerConfiguration.intermediateSizes
    private static let lengths = 1...65536

    public var initialization: Initialization { .transformer }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("the vocabulary's size", [vocabularySize], in: 1...10_000_000)
        sizes.check("the hidden size", [hiddenSize], in: Self.hiddenSizes)
        sizes.check("the number of layers", [layerCount], in: Self.layerCounts)
        sizes.check("the number of heads", [headCount], in: 1...1024)
        sizes.check("the intermediate size", [intermediateSize], in: Self.intermediateSizes)
        sizes.check("the number of positions", [maximumLength], in: Self.lengths)
        sizes.check("the pooled vector's size", outputSize.map { [$0] } ?? [], in: 1...65536)
        if sizes.problems.isEmpty {
            sizes.expect(
                hiddenSize.isMultiple(of: headCount), "\(headCount) heads do not divide the hidden size \(hiddenSize)")
        }
        return sizes.problems
    }

    public func makeNetwork() -> TextTransformer { TextTransformer(self) }

    public var dialects: [Dialect] {
        [
            .own,
            Dialect(
                "transformers", prefixes: ["text_model."], rules: Self.transformersRules(theirs: "", ours: ""),
                ignoring: ["embeddings.position_ids", "vision_model", "visual_projection", "text_projection", "logit_scale", "logit_bias"]),
            Dialect(
                "OpenCLIP", rules: Self.openCLIPRules(ours: ""),
                ignoring: ["visual", "text_projection", "logit_scale", "attn_mask"]),
        ]
    }

    static func transformersRules(theirs: String, ours: String) -> [Dialect.Rule] {
        [
            .init(theirs + "embeddings.token_embedding", ours + "token_embed"),
            .init(theirs + "embeddings.position_embedding", ours + "pos_embed"),
            .init(theirs + "final_layer_norm", ours + "norm"), .init(theirs + "head", ours + "head"),
        ] + Dialect.clipBlocks(theirs: theirs, ours: ours)
    }

    static func openCLIPRules(ours: String) -> [Dialect.Rule] {
        [
            .init("token_embedding", ours + "token_embed"), .init("positional_embedding", ours + "pos_embed.weight"),
            .init("ln_final", ours + "norm"),
        ] + Dialect.openCLIPBlocks(theirs: "", ours: ours)
    }
}
