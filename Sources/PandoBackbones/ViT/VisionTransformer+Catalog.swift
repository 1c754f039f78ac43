import PandoNN

extension VisionTransformerConfiguration: ImageBackboneConfiguration {
    public static let family = "vit"
    public static let classifierNames = ["head", "head_dist"]

    public static let published: [(name: String, configuration: Self)] = vit + deit + dinov2 + clip + siglip

    public static let modelTypes = [
        "vit", "deit", "dinov2", "dinov2_with_registers", "clip_vision_model", "siglip_vision_model",
    ]

    public init(modelType: String, reading file: inout ConfigurationReader) {
        switch modelType {
        case "dinov2", "dinov2_with_registers": self.init(dinov2: &file, hasRegisters: modelType != "dinov2")
        case "clip_vision_model": self.init(clip: &file)
        case "siglip_vision_model": self.init(siglip: &file)
        default: self.init(vit: &file, isDistilled: modelType == "deit")
        }
        file.requireThreeChannels()
    }

    public var initialization: Initialization { .transformer }

    public func problem(withPicturesOf side: Int) -> String? {
        if !Self.pictureSizes.contains(side) { return "sees pictures of at most \(Self.pictureSizes.upperBound) pixels" }
        return side.isMultiple(of: patchSize)
            ? nil : "cuts pictures into patches of \(patchSize) pixels; \(side) is no multiple of \(patchSize)"
    }

    public func resized(to side: Int) -> Self { with { $0.pictureSize = side } }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        with { fitted in
            fitted.classCount = shapes["head.weight"]?.first ?? 0
            // Hugging Face's classifiers on DINOv2 see the patches' mean too.
            let sees = shapes["head.weight"].map { $0.count == 2 ? $0[1] : 0 }
            if pooling == .classToken, sees == 2 * hiddenSize { fitted.pooling = .classTokenAndMean }
            if let registers = shapes["reg_token"], registers.count == 3 { fitted.registerCount = registers[1] }
            // timm leaves out the class token's position where registers follow; the authors' files have it.
            if hasClassToken, let places = shapes["pos_embed"], places.count == 3 {
                let patches = gridSize * gridSize
                if places[1] == patches { fitted.placesClassToken = false }
                if places[1] == patches + classTokenCount { fitted.placesClassToken = true }
            }
        }
    }

    public func makeNetwork() -> VisionTransformer { VisionTransformer(self) }

    public var dialects: [Dialect] {
        [Dialect("timm")] + Self.vitDialects(isDistilled: hasDistillationToken) + Self.dinov2Dialects(isGated: isGated)
            + Self.clipVisionDialects + Self.siglipVisionDialects
    }
}

extension VisionTransformerConfiguration {
    /// Hugging Face's `config.json` of a ViT or DeiT.
    private init(vit file: inout ConfigurationReader, isDistilled: Bool) {
        self.init(
            pictureSize: file.side("image_size", in: Self.pictureSizes, default: 224),
            patchSize: file.side("patch_size", in: 1...1024, default: 16),
            hiddenSize: file.integer("hidden_size", in: Self.hiddenSizes, default: 768),
            layerCount: file.integer("num_hidden_layers", in: Self.layerCounts, default: 12),
            headCount: file.integer("num_attention_heads", in: 1...1024, default: 12),
            intermediateSize: file.integer("intermediate_size", in: Self.intermediateSizes, default: 3072))
        activation = file.activation("hidden_act", default: "gelu")
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 1e-12)
        hasProjectionBias = file.flag("qkv_bias", default: true)
        resampling = .plain
        pretraining = isDistilled ? .imageNet : .augRegSquashed
        if isDistilled {
            hasDistillationToken = true
            pooling = .classTokens
        }
    }

    /// timm's and torchvision's names.
    private static let vit: [(name: String, configuration: Self)] = {
        var found: [(name: String, configuration: Self)] = []
        let sizes: [(String, Self, [(patch: Int, sides: [Int])])] = [
            ("tiny", .tiny, [(16, [224, 384])]), ("small", .small, [(8, [224]), (16, [224, 384]), (32, [224, 384])]),
            ("base", .base, [(8, [224]), (16, [224, 384]), (32, [224, 384])]),
            ("large", .large, [(14, [224]), (16, [224, 384]), (32, [224, 384])]), ("huge", .huge, [(14, [224])]),
            ("giant", .giant, [(14, [224])]), ("gigantic", .gigantic, [(14, [224])]),
        ]
        for (name, size, patches) in sizes {
            for (patch, sides) in patches {
                for side in sides {
                    found.append(
                        (
                            "vit_\(name)_patch\(patch)_\(side)",
                            size.with { ($0.patchSize, $0.pictureSize) = (patch, side) }
                        ))
                }
            }
        }
        for (name, size, patch) in [("b_16", base, 16), ("b_32", base, 32), ("l_16", large, 16), ("l_32", large, 32), ("h_14", huge, 14)] {
            found.append(
                (
                    "vit_\(name)",
                    size.with {
                        $0.patchSize = patch
                        ($0.resampling, $0.pretraining) = (.cornersAligned, .torchvision)
                    }
                ))
        }
        return found
    }()

    /// - Source: Touvron et al. 2021 (arXiv:2012.12877), table 1; "deit3": Touvron et al. 2022 (arXiv:2204.07118).
    private static let deit: [(name: String, configuration: Self)] = {
        var found: [(name: String, configuration: Self)] = []
        let medium = Self(hiddenSize: 512, headCount: 8)
        let sizes: [(String, Self)] = [
            ("deit_tiny_patch16_224", tiny), ("deit_small_patch16_224", small), ("deit_base_patch16_224", base),
            ("deit_base_patch16_384", base), ("deit_tiny_distilled_patch16_224", tiny),
            ("deit_small_distilled_patch16_224", small), ("deit_base_distilled_patch16_224", base),
            ("deit_base_distilled_patch16_384", base), ("deit3_small_patch16_224", small),
            ("deit3_small_patch16_384", small), ("deit3_medium_patch16_224", medium), ("deit3_base_patch16_224", base),
            ("deit3_base_patch16_384", base), ("deit3_large_patch16_224", large), ("deit3_large_patch16_384", large),
            ("deit3_huge_patch14_224", huge),
        ]
        for (name, size) in sizes {
            found.append(
                (
                    name,
                    size.with {
                        $0.pretraining = .imageNet
                        if name.hasSuffix("384") { $0.pictureSize = 384 }
                        if name.contains("distilled") { ($0.hasDistillationToken, $0.pooling) = (true, .classTokens) }
                        if name.hasPrefix("deit3") { ($0.hasLayerScale, $0.placesClassToken) = (true, false) }
                    }
                ))
        }
        return found
    }()

    private static func vitDialects(isDistilled: Bool) -> [Dialect] {
        let heads: [Dialect.Rule] = isDistilled
            ? [.init("cls_classifier", "head"), .init("distillation_classifier", "head_dist"), .init("classifier", "head")]
            : [.init("classifier", "head")]
        let embeddings: [Dialect.Rule] =
            [
                .init("embeddings.cls_token", "cls_token"), .init("embeddings.distillation_token", "dist_token"),
                .init("embeddings.position_embeddings", "pos_embed"),
                .init("embeddings.patch_embeddings.projection", "patch_embed.proj"), .init("layernorm", "norm"),
            ] + heads
        func transformers(_ name: String, _ layer: String, _ parts: [[String]]) -> Dialect {
            let ours = ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"]
            let rules = zip(parts, ours).map { theirs, ours in
                Dialect.Rule(theirs.map { "\(layer).\($0)" }, "blocks.*.\(ours)")
            }
            // The pooler saw classes that the file no longer names.
            return Dialect(
                name, prefixes: ["vit.", "deit."], rules: embeddings + rules,
                ignoring: ["pooler", "embeddings.mask_token", "decoder"])
        }
        return [
            transformers(
                "transformers", "encoder.layer.*",
                [
                    ["layernorm_before"],
                    ["attention.attention.query", "attention.attention.key", "attention.attention.value"],
                    ["attention.output.dense"], ["layernorm_after"], ["intermediate.dense"], ["output.dense"],
                ]),
            transformers(
                "transformers 5", "layers.*",
                [
                    ["layernorm_before"], ["attention.q_proj", "attention.k_proj", "attention.v_proj"],
                    ["attention.o_proj"], ["layernorm_after"], ["mlp.fc1"], ["mlp.fc2"],
                ]),
            Dialect(
                "torchvision",
                rules: [
                    .init("class_token", "cls_token"), .init("conv_proj", "patch_embed.proj"),
                    .init("encoder.pos_embedding", "pos_embed"), .init("encoder.ln", "norm"), .init("heads.head", "head"),
                ]
                    + [
                        ("ln_1", "norm1"), ("self_attention.in_proj_weight", "attn.qkv.weight"),
                        ("self_attention.in_proj_bias", "attn.qkv.bias"), ("self_attention.out_proj", "attn.proj"),
                        ("ln_2", "norm2"), ("mlp.0", "mlp.fc1"), ("mlp.3", "mlp.fc2"), ("mlp.linear_1", "mlp.fc1"),
                        ("mlp.linear_2", "mlp.fc2"),
                    ].map { .init("encoder.layers.encoder_layer_*.\($0)", "blocks.*.\($1)") }),
        ]
    }
}
