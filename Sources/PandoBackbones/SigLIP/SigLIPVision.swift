import PandoNN

/// SigLIP's half for pictures: a vision transformer without class token, pooled by attention.
///
/// - Source: Zhai et al. 2023 (arXiv:2303.15343), section 4; SigLIP 2: Tschannen et al. 2025 (arXiv:2502.14786),
///   section 3, whose networks of fixed size are the same.
extension VisionTransformerConfiguration {
    /// timm's names; those with "gap" have the patches' mean instead of the attention.
    static let siglip: [(name: String, configuration: Self)] = {
        var found: [(name: String, configuration: Self)] = []
        let so400m = Self(hiddenSize: 1152, layerCount: 27, headCount: 16, intermediateSize: 4304)
        let giant = Self(hiddenSize: 1536, layerCount: 40, headCount: 16)
        // SigLIP 2 came with sizes of its own, which timm gives the activation that both were trained with.
        let sizes: [(String, Self, patch: Int, sides: [Int], sidesOf2: [Int])] = [
            ("base", base, 16, [224, 256, 384, 512], []), ("base", base, 32, [], [256]),
            ("large", large, 16, [256, 384], [512]), ("so400m", so400m, 14, [224, 378, 384], []),
            ("so400m", so400m, 16, [], [256, 384, 512]), ("giantopt", giant, 16, [], [256, 384]),
        ]
        for (name, size, patch, sides, sidesOf2) in sizes {
            for side in sides + sidesOf2 {
                let siglip = size.with {
                    ($0.patchSize, $0.pictureSize, $0.hasClassToken, $0.pretraining) = (patch, side, false, .siglip)
                    ($0.placesClassToken, $0.classCount) = (false, 0)
                    if sidesOf2.contains(side) { $0.activation = .geluTanh }
                }
                found += [
                    ("vit_\(name)_patch\(patch)_siglip_\(side)", siglip.with { $0.pooling = .attention }),
                    ("vit_\(name)_patch\(patch)_siglip_gap_\(side)", siglip.with { $0.pooling = .patchMean }),
                ]
            }
        }
        return found
    }()

    /// Hugging Face's `config.json`, or its `vision_config`.
    init(siglip file: inout ConfigurationReader) {
        self.init(
            pictureSize: file.side("image_size", in: Self.pictureSizes, default: 224),
            patchSize: file.side("patch_size", in: 1...1024, default: 16),
            hiddenSize: file.integer("hidden_size", in: Self.hiddenSizes, default: 768),
            layerCount: file.integer("num_hidden_layers", in: Self.layerCounts, default: 12),
            headCount: file.integer("num_attention_heads", in: 1...1024, default: 12),
            intermediateSize: file.integer("intermediate_size", in: Self.intermediateSizes, default: 3072), classCount: 0)
        activation = file.activation("hidden_act", default: "gelu_pytorch_tanh")
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 1e-6)
        (hasClassToken, placesClassToken) = (false, false)
        pooling = file.flag("vision_use_head", default: true) ? .attention : .patchMean
        resampling = .plain
        pretraining = .siglip
    }

    static let siglipVisionDialects = [
        Dialect(
            "transformers (SigLIP)", prefixes: ["vision_model."], rules: siglipVisionRules(theirs: "", ours: ""),
            ignoring: ["embeddings.position_ids", "text_model", "logit_scale", "logit_bias"]),
        Dialect(
            "timm (SigLIP)",
            rules: [.init(["attn_pool.q", "attn_pool.kv"], "attn_pool.in_proj", shares: [1, 2])]),
    ]

    static func siglipVisionRules(theirs: String, ours: String) -> [Dialect.Rule] {
        let pool = [
            ("probe", "latent"), ("attention.in_proj_weight", "in_proj.weight"),
            ("attention.in_proj_bias", "in_proj.bias"), ("attention.out_proj", "proj"), ("layernorm", "norm"),
            ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2"),
        ]
        return [
            .init(theirs + "embeddings.position_embedding.weight", ours + "pos_embed", axisCount: 2),
            .init(theirs + "embeddings.patch_embedding", ours + "patch_embed.proj"),
            .init(theirs + "post_layernorm", ours + "norm"),
        ] + pool.map { .init("\(theirs)head.\($0)", "\(ours)attn_pool.\($1)") }
            + Dialect.clipBlocks(theirs: theirs, ours: ours)
    }
}
