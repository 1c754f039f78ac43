import PandoNN

/// CLIP's half for pictures: a vision transformer that normalises the embedded patches.
///
/// - Source: Radford et al. 2021 (arXiv:2103.00020), section 2.4.
extension VisionTransformerConfiguration {
    /// timm's names.
    static let clip: [(name: String, configuration: Self)] = {
        var found: [(name: String, configuration: Self)] = []
        let sizes: [(String, Self, patch: Int, sides: [Int], quick: [Int])] = [
            ("base", base, 32, [224, 256, 384, 448], [224]), ("base", base, 16, [224, 384], [224]),
            ("large", large, 14, [224, 336], [224, 336]), ("huge", huge, 14, [224, 336, 378], [224, 378]),
            ("giant", giant, 14, [224], []), ("gigantic", gigantic, 14, [224, 378], [224]),
        ]
        for (name, size, patch, sides, quick) in sizes {
            let clip = size.with {
                ($0.patchSize, $0.epsilon, $0.normalizesEmbeddings, $0.pretraining) = (patch, 1e-5, true, .clip)
            }
            for side in sides { found.append(("vit_\(name)_patch\(patch)_clip_\(side)", clip.with { $0.pictureSize = side })) }
            for side in quick {
                found.append(
                    (
                        "vit_\(name)_patch\(patch)_clip_quickgelu_\(side)",
                        clip.with { ($0.pictureSize, $0.activation) = (side, .quickGELU) }
                    ))
            }
        }
        return found
    }()

    /// Hugging Face's `config.json`, or its `vision_config`.
    init(clip file: inout ConfigurationReader) {
        self.init(
            pictureSize: file.side("image_size", in: Self.pictureSizes, default: 224),
            patchSize: file.side("patch_size", in: 1...1024, default: 32),
            hiddenSize: file.integer("hidden_size", in: Self.hiddenSizes, default: 768),
            layerCount: file.integer("num_hidden_layers", in: Self.layerCounts, default: 12),
            headCount: file.integer("num_attention_heads", in: 1...1024, default: 12),
            intermediateSize: file.integer("intermediate_size", in: Self.intermediateSizes, default: 3072), classCount: 0)
        activation = file.activation("hidden_act", default: "quick_gelu")
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 1e-5)
        normalizesEmbeddings = true
        resampling = .plain
        pretraining = .clip
    }

    /// What a checkpoint of a whole pair holds beside this half.
    private static let others = ["text_model", "text_projection", "visual_projection", "logit_scale", "logit_bias"]

    static let clipVisionDialects = [
        Dialect(
            "transformers (CLIP)", prefixes: ["vision_model."], rules: clipVisionRules(theirs: "", ours: ""),
            ignoring: ["embeddings.position_ids"] + others),
        Dialect(
            "OpenCLIP", rules: openCLIPVisionRules(theirs: "visual.", ours: ""),
            ignoring: [
                "visual.proj", "text_projection", "logit_scale", "logit_bias", "attn_mask", "transformer",
                "token_embedding", "positional_embedding", "ln_final", "text",
            ]),
    ]

    static func clipVisionRules(theirs: String, ours: String) -> [Dialect.Rule] {
        [
            .init(theirs + "embeddings.class_embedding", ours + "cls_token", axisCount: 1),
            .init(theirs + "embeddings.position_embedding.weight", ours + "pos_embed", axisCount: 2),
            .init(theirs + "embeddings.patch_embedding", ours + "patch_embed.proj"),
            .init(theirs + "pre_layrnorm", ours + "norm_pre"), .init(theirs + "post_layernorm", ours + "norm"),
        ] + Dialect.clipBlocks(theirs: theirs, ours: ours)
    }

    static func openCLIPVisionRules(theirs: String, ours: String) -> [Dialect.Rule] {
        [
            .init(theirs + "class_embedding", ours + "cls_token", axisCount: 1), .init(theirs + "positional_embedding", ours + "pos_embed", axisCount: 2),
            .init(theirs + "conv1", ours + "patch_embed.proj"), .init(theirs + "ln_pre", ours + "norm_pre"),
            .init(theirs + "ln_post", ours + "norm"),
        ] + Dialect.openCLIPBlocks(theirs: theirs, ours: ours)
    }
}

extension Dialect {
    /// The blocks of CLIP's and SigLIP's halves in Hugging Face's names.
    static func clipBlocks(theirs: String, ours: String) -> [Rule] {
        let layer = theirs + "encoder.layers.*."
        return [
            .init(layer + "layer_norm1", ours + "blocks.*.norm1"),
            .init(["q", "k", "v"].map { "\(layer)self_attn.\($0)_proj" }, ours + "blocks.*.attn.qkv"),
            .init(layer + "self_attn.out_proj", ours + "blocks.*.attn.proj"),
            .init(layer + "layer_norm2", ours + "blocks.*.norm2"), .init(layer + "mlp.fc1", ours + "blocks.*.mlp.fc1"),
            .init(layer + "mlp.fc2", ours + "blocks.*.mlp.fc2"),
        ]
    }

    /// The same in OpenAI's and OpenCLIP's names.
    static func openCLIPBlocks(theirs: String, ours: String) -> [Rule] {
        [
            ("ln_1", "norm1"), ("attn.in_proj_weight", "attn.qkv.weight"), ("attn.in_proj_bias", "attn.qkv.bias"),
            ("attn.out_proj", "attn.proj"), ("ln_2", "norm2"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
        ].map { .init("\(theirs)transformer.resblocks.*.\($0)", "\(ours)blocks.*.\($1)") }
    }
}
