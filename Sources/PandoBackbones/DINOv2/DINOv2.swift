import PandoNN

/// DINOv2: a vision transformer with layer scale, perhaps registers and gated perceptrons.
///
/// - Source: Oquab et al. 2024 (arXiv:2304.07193), section 4; Darcet et al. 2024 (arXiv:2309.16588), section 2.2.
extension VisionTransformerConfiguration {
    /// timm's names and the authors'. Their position embeddings are for pictures of 518 pixels. The authors' own code
    /// shifts them by a tenth of a patch where it resamples them; ours does not, nor does Hugging Face's.
    static let dinov2: [(name: String, configuration: Self)] = {
        let giant = Self(hiddenSize: 1536, layerCount: 40, headCount: 24, intermediateSize: 4096).with {
            ($0.isGated, $0.activation) = (true, .silu)
        }
        var found: [(name: String, configuration: Self)] = []
        for (letter, name, size) in [("s", "small", small), ("b", "base", base), ("l", "large", large), ("g", "giant", giant)] {
            let plain = size.with {
                ($0.patchSize, $0.pictureSize, $0.hasLayerScale, $0.pretraining) = (14, 518, true, .dinov2)
                $0.classCount = 0
            }
            let registers = plain.with { $0.registerCount = 4 }
            found += [
                ("vit_\(name)_patch14_dinov2", plain),
                ("vit_\(name)_patch14_reg4_dinov2", registers.with { $0.placesClassToken = false }),
                ("dinov2_vit\(letter)14", plain.with { $0.resampling = .plain }), ("dinov2_vit\(letter)14_reg4", registers),
            ]
        }
        return found
    }()

    /// Hugging Face's `config.json`.
    init(dinov2 file: inout ConfigurationReader, hasRegisters: Bool) {
        let size = file.integer("hidden_size", in: Self.hiddenSizes, default: 768)
        let wide = Int(Float(size) * file.number("mlp_ratio", in: 0.01...16, default: 4))
        let isGated = file.flag("use_swiglu_ffn", default: false)
        self.init(
            pictureSize: file.side("image_size", in: Self.pictureSizes, default: 224),
            patchSize: file.side("patch_size", in: 1...1024, default: hasRegisters ? 16 : 14), hiddenSize: size,
            layerCount: file.integer("num_hidden_layers", in: Self.layerCounts, default: 12),
            headCount: file.integer("num_attention_heads", in: 1...1024, default: 12),
            // A gated perceptron has two thirds of the width, in steps of eight.
            intermediateSize: isGated ? (wide * 2 / 3 + 7) / 8 * 8 : wide)
        self.isGated = isGated
        let plain = file.activation("hidden_act", default: "gelu")
        activation = isGated ? .silu : plain
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 1e-6)
        hasProjectionBias = file.flag("qkv_bias", default: true)
        hasLayerScale = true
        if hasRegisters { registerCount = file.integer("num_register_tokens", in: 0...1024, default: 4) }
        resampling = hasRegisters ? .antialiased : .plain
        pretraining = .dinov2
    }

    static func dinov2Dialects(isGated: Bool) -> [Dialect] {
        func transformers(_ name: String, _ projections: [String], _ output: String, _ gates: [String], _ narrow: String)
            -> Dialect
        {
            let layer = "encoder.layer.*."
            let perceptron: [Dialect.Rule] = isGated
                ? [.init(gates.map { layer + $0 }, "blocks.*.mlp.fc1"), .init(layer + narrow, "blocks.*.mlp.fc2")]
                : [.init(layer + "mlp.fc1", "blocks.*.mlp.fc1"), .init(layer + "mlp.fc2", "blocks.*.mlp.fc2")]
            return Dialect(
                name, prefixes: ["dinov2.", "dinov2_with_registers."],
                rules: [
                    .init("embeddings.cls_token", "cls_token"), .init("embeddings.register_tokens", "reg_token"),
                    .init("embeddings.position_embeddings", "pos_embed"),
                    .init("embeddings.patch_embeddings.projection", "patch_embed.proj"), .init("layernorm", "norm"),
                    .init("classifier", "head"), .init(layer + "norm1", "blocks.*.norm1"),
                    .init(projections.map { layer + $0 }, "blocks.*.attn.qkv"), .init(layer + output, "blocks.*.attn.proj"),
                    .init(layer + "layer_scale1.lambda1", "blocks.*.ls1.gamma"), .init(layer + "norm2", "blocks.*.norm2"),
                    .init(layer + "layer_scale2.lambda1", "blocks.*.ls2.gamma"),
                ] + perceptron, ignoring: ["embeddings.mask_token"])
        }
        return [
            transformers(
                "transformers (DINOv2)", ["query", "key", "value"].map { "attention.attention.\($0)" },
                "attention.output.dense", ["mlp.weights_in"], "mlp.weights_out"),
            transformers(
                "transformers 5 (DINOv2)", ["q", "k", "v"].map { "attention.\($0)_proj" }, "attention.o_proj",
                ["mlp.gate_proj", "mlp.up_proj"], "mlp.down_proj"),
            Dialect(
                "DINOv2",
                rules: [
                    .init("register_tokens", "reg_token"), .init("blocks.*.mlp.w12", "blocks.*.mlp.fc1"),
                    .init("blocks.*.mlp.w3", "blocks.*.mlp.fc2"),
                ].filter { isGated || $0.ours.text == "reg_token" }, ignoring: ["mask_token"]),
        ]
    }
}
