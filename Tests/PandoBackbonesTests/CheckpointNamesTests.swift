import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// One network under all the names that libraries have given its weights.
@Suite struct CheckpointNamesTests {
    /// A small network of each kind, its weights irregular.
    private func vit(_ change: (inout VisionTransformerConfiguration) -> Void = { _ in }) -> Architecture {
        let small = VisionTransformerConfiguration(
            pictureSize: 32, hiddenSize: 8, layerCount: 2, headCount: 2, classCount: 3)
        return Architecture(name: "small", small.with(change))
    }

    private func weights(_ architecture: Architecture) -> [String: Tensor] {
        let network = architecture.makeNetwork(seed: 3)
        return Dictionary(
            uniqueKeysWithValues: network.namedTensors.enumerated().map {
                ($1.name, irregular($1.tensor.shape, phase: Float($0)))
            })
    }

    /// Expects that a dialect writes these names, and that what it writes is read as what was there.
    private func expect(
        _ architecture: Architecture, as dialect: String, names: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let own = weights(architecture)
        let table = try #require(architecture.dialects.first { $0.name == dialect }, sourceLocation: sourceLocation)
        let theirs = table.untranslated(own)
        for name in names { #expect(theirs[name] != nil, "\(name) in \(theirs.keys.sorted())", sourceLocation: sourceLocation) }
        let loaded = try architecture.loaded(theirs, from: "memory")
        #expect(loaded.dialect == dialect, sourceLocation: sourceLocation)
        for (name, tensor, _) in loaded.network.namedTensors {
            #expect(tensor.scalars() == own[name]!.scalars(), "\(name)", sourceLocation: sourceLocation)
        }
    }

    @Test func aVisionTransformerHasTheNamesOfTransformers4And5AndOfTorchvision() throws {
        try expect(
            vit(), as: "transformers",
            names: [
                "embeddings.cls_token", "embeddings.position_embeddings", "embeddings.patch_embeddings.projection.weight",
                "encoder.layer.1.layernorm_before.bias", "encoder.layer.0.attention.attention.query.weight",
                "encoder.layer.0.attention.attention.key.bias", "encoder.layer.1.attention.attention.value.weight",
                "encoder.layer.1.attention.output.dense.weight", "encoder.layer.1.layernorm_after.weight",
                "encoder.layer.1.intermediate.dense.weight", "encoder.layer.1.output.dense.bias", "layernorm.weight",
                "classifier.weight",
            ])
        try expect(
            vit(), as: "transformers 5",
            names: [
                "layers.1.layernorm_before.bias", "layers.0.attention.q_proj.weight", "layers.0.attention.k_proj.bias",
                "layers.1.attention.v_proj.weight", "layers.1.attention.o_proj.weight", "layers.1.mlp.fc1.weight",
                "layers.1.mlp.fc2.bias",
            ])
        try expect(
            vit(), as: "torchvision",
            names: [
                "class_token", "conv_proj.weight", "encoder.pos_embedding", "encoder.ln.weight", "heads.head.weight",
                "encoder.layers.encoder_layer_1.self_attention.in_proj_weight",
                "encoder.layers.encoder_layer_0.self_attention.in_proj_bias",
                "encoder.layers.encoder_layer_1.self_attention.out_proj.weight",
                "encoder.layers.encoder_layer_1.mlp.0.weight", "encoder.layers.encoder_layer_1.mlp.3.bias",
            ])
    }

    @Test func torchvisionsFirstNamesAreRead() throws {
        let table = try #require(vit().dialects.first { $0.name == "torchvision" })
        let theirs = table.untranslated(weights(vit())).map { name, tensor in
            (name.replacing(".mlp.0.", with: ".mlp.linear_1.").replacing(".mlp.3.", with: ".mlp.linear_2."), tensor)
        }
        let loaded = try vit().loaded(Dictionary(uniqueKeysWithValues: theirs), from: "memory")
        #expect(loaded.dialect == "torchvision")
    }

    @Test func aDistilledTransformerHasTwoClassifiersInEachLibrary() throws {
        let distilled = vit { ($0.hasDistillationToken, $0.pooling) = (true, .classTokens) }
        try expect(
            distilled, as: "transformers",
            names: ["embeddings.distillation_token", "cls_classifier.weight", "distillation_classifier.bias"])
        try expect(distilled, as: "timm", names: ["dist_token", "head.weight", "head_dist.weight"])
    }

    @Test(arguments: [false, true])
    func dinov2HasTheNamesOfTransformersAndOfItsAuthors(isGated: Bool) throws {
        let dinov2 = vit {
            ($0.hasLayerScale, $0.registerCount, $0.isGated, $0.activation) = (true, 2, isGated, isGated ? .silu : .gelu)
            ($0.pooling, $0.classCount) = (.classToken, 0)
        }
        let layer = "encoder.layer.1."
        try expect(
            dinov2, as: "transformers (DINOv2)",
            names: [
                "embeddings.register_tokens", layer + "attention.attention.query.weight",
                layer + "attention.output.dense.bias", layer + "layer_scale1.lambda1", layer + "norm2.weight",
            ] + (isGated ? [layer + "mlp.weights_in.weight", layer + "mlp.weights_out.bias"] : [layer + "mlp.fc1.weight"]))
        try expect(
            dinov2, as: "transformers 5 (DINOv2)",
            names: [layer + "attention.q_proj.weight"]
                + (isGated ? ["gate", "up", "down"].map { "\(layer)mlp.\($0)_proj.weight" } : []))
        try expect(
            dinov2, as: "DINOv2",
            names: ["register_tokens", "blocks.0.ls1.gamma"]
                + (isGated ? ["blocks.1.mlp.w12.weight", "blocks.1.mlp.w3.bias"] : []))
    }

    @Test func clipHasOpenAIsNames() throws {
        let image = VisionTransformerConfiguration(pictureSize: 32, hiddenSize: 8, layerCount: 2, headCount: 2, classCount: 0)
            .with { $0.normalizesEmbeddings = true }
        let pair = ImageTextPairConfiguration(
            image: image,
            text: TextTransformerConfiguration(
                vocabularySize: 9, hiddenSize: 6, layerCount: 1, headCount: 2, maximumLength: 5),
            projectionSize: 4)
        let architecture = Architecture(name: "pair", pair)
        let names = [
            "visual.conv1.weight", "visual.class_embedding", "visual.positional_embedding", "visual.ln_pre.weight",
            "visual.transformer.resblocks.1.ln_1.weight", "visual.transformer.resblocks.1.attn.in_proj_weight",
            "visual.transformer.resblocks.1.attn.in_proj_bias", "visual.transformer.resblocks.1.attn.out_proj.weight",
            "visual.transformer.resblocks.1.mlp.c_fc.weight", "visual.transformer.resblocks.1.mlp.c_proj.bias",
            "visual.ln_post.bias", "visual.proj", "transformer.resblocks.0.ln_2.weight", "token_embedding.weight",
            "positional_embedding", "ln_final.weight", "text_projection", "logit_scale",
        ]
        try expect(architecture, as: "OpenCLIP", names: names)
        let table = try #require(architecture.dialects.first { $0.name == "OpenCLIP" })
        let theirs = table.untranslated(weights(architecture))
        #expect(theirs["visual.proj"]?.shape == [8, 4])
        #expect(theirs["text_projection"]?.shape == [6, 4])
        #expect(theirs["visual.positional_embedding"]?.shape == [5, 8])
        #expect(theirs["visual.class_embedding"]?.shape == [8])
        // The half for pictures out of the whole.
        let half = try #require(architecture.forPictures).loaded(theirs, from: "memory")
        #expect(half.dialect == "OpenCLIP")
        #expect(half.ignored.contains("transformer.resblocks.0.ln_2.weight"))
    }

    @Test(arguments: [ElementType.bfloat16, .float16])
    func halvesOfPrecisionAreTakenForTheNumbersThatTheyAre(type: ElementType) throws {
        let own = weights(vit())
        let table = try #require(vit().dialects.first { $0.name == "transformers" })
        let theirs = table.untranslated(own).mapValues { $0.cast(to: type) }
        let loaded = try vit().loaded(theirs, from: "memory")
        for (name, tensor, _) in loaded.network.namedTensors {
            #expect(tensor.elementType == .float32)
            #expect(tensor.scalars() == own[name]!.cast(to: type).cast(to: .float32).scalars(), "\(name)")
        }
    }

    @Test func whatATiedDecoderStoresTwiceIsReadOnce() throws {
        var sizes = LlamaConfiguration(
            vocabularySize: 9, hiddenSize: 8, layerCount: 1, headCount: 2, keyHeadCount: 1, headSize: 4,
            intermediateSize: 12, maximumLength: 16)
        sizes.tiesEmbeddings = true
        let architecture = Architecture(name: "llama", sizes)
        var theirs = Dictionary(uniqueKeysWithValues: weights(architecture).map { ("model.\($0)", $1) })
        theirs["lm_head.weight"] = theirs["model.embed_tokens.weight"]
        theirs["model.layers.0.self_attn.rotary_emb.inv_freq"] = .zeros([2])
        let loaded = try architecture.loaded(theirs, from: "memory")
        #expect(Set(loaded.ignored) == ["lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"])
    }

    @Test func bertsOldestFilesSayGammaAndBeta() throws {
        let bert = BERTConfiguration(
            vocabularySize: 9, hiddenSize: 8, layerCount: 2, headCount: 2, intermediateSize: 12, maximumPositions: 6)
        let architecture = Architecture(name: "bert", bert)
        try expect(
            architecture, as: "BERT's authors",
            names: [
                "embeddings.LayerNorm.gamma", "encoder.layer.1.attention.output.LayerNorm.beta",
                "encoder.layer.0.output.LayerNorm.gamma",
            ])
        let own = weights(architecture)
        let prefixed = Dictionary(uniqueKeysWithValues: own.map { ("bert.\($0)", $1) })
            .merging(["cls.predictions.bias": .zeros([9]), "bert.embeddings.position_ids": .zeros([1, 6], .int64)]) { $1 }
        let loaded = try architecture.loaded(prefixed, from: "memory")
        #expect(Set(loaded.ignored) == ["cls.predictions.bias", "bert.embeddings.position_ids"])
        var bare = own
        bare["pooler.dense.weight"] = nil
        bare["pooler.dense.bias"] = nil
        #expect(try architecture.loaded(bare, from: "memory").network.namedTensors.count == own.count - 2)
    }
}
