import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// What is not a network here says so: which file, which field, what was expected.
@Suite struct BackboneRefusalTests {
    /// The problems told of a `config.json`.
    private func problems(_ configuration: String) throws -> String {
        let folder = try TemporaryDirectory()
        _ = try folder.file("config.json", holding: Array(configuration.utf8))
        let error = #expect(throws: BackboneError.self) { try BackboneSource(folder.url) }
        let text = try #require(error).description
        #expect(text.contains("config.json"))
        return text
    }

    @Test func anUnknownNetworkIsNamedWithTheNearestKnownOne() throws {
        let text = try problems(#"{"model_type": "dinov"}"#)
        #expect(text.contains("'dinov'") && text.contains("did you mean 'dinov2'?"))
        #expect(try problems(#"{"model_type": "gpt_neox"}"#).contains("Known: "))
        #expect(try problems("{}").contains("model_type"))
        #expect(try problems("[]").contains("expected an object"))
        #expect(try problems("{").contains("not valid JSON"))
    }

    @Test func sizesOutOfRangeAreNamed() throws {
        let text = try problems(
            #"{"model_type": "vit", "hidden_size": 1000000000000, "num_hidden_layers": -1, "image_size": [224, 112]}"#)
        #expect(text.contains("hidden_size: expected a whole number of 1...16384, found 1000000000000"))
        #expect(text.contains("num_hidden_layers"))
        #expect(text.contains("image_size: expected the side of a square"))
        #expect(try problems(#"{"model_type": "clip", "text_config": {}}"#).contains("vision_config: is missing"))
        #expect(
            try problems(#"{"model_type": "siglip", "vision_config": {"patch_size": "a"}, "text_config": {}}"#)
                .contains("vision_config.patch_size: expected a whole number"))
        #expect(
            try problems(#"{"model_type": "siglip", "vision_config": {}, "text_config": {"hidden_size": 64, "num_attention_heads": 4}}"#)
                .contains("vectors of pictures have 768 numbers, those of texts 64"))
        #expect(
            try problems(#"{"model_type": "vit", "image_size": 8, "patch_size": 16}"#)
                .contains("a patch of 16 pixels is larger than a picture of 8"))
        #expect(try problems(#"{"model_type": "vit", "num_channels": 1}"#).contains("num_channels"))
    }

    @Test func headsThatDoNotDivideAreNamed() throws {
        #expect(
            try problems(#"{"model_type": "vit", "hidden_size": 30, "num_attention_heads": 4}"#)
                .contains("4 heads do not divide the hidden size 30"))
        let llama = #""vocab_size": 9, "num_hidden_layers": 1, "intermediate_size": 8"#
        #expect(
            try problems(
                #"{"model_type": "llama", "hidden_size": 24, "num_attention_heads": 6, "num_key_value_heads": 4, \#(llama)}"#)
                .contains("4 heads of keys do not divide the 6 heads of queries"))
        #expect(
            try problems(#"{"model_type": "llama", "hidden_size": 15, "num_attention_heads": 5, \#(llama)}"#)
                .contains("a head of 3 features does not make pairs"))
    }

    @Test func whatWouldChangeTheArithmeticIsRefusedByName() throws {
        let bert = #""vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 8"#
        #expect(
            try problems(#"{"model_type": "bert", "position_embedding_type": "relative_key", \#(bert)}"#)
                .contains("position_embedding_type: 'relative_key' is not implemented"))
        #expect(
            try problems(#"{"model_type": "bert", "hidden_act": "xielu", \#(bert)}"#)
                .contains("hidden_act: unknown activation 'xielu'"))
        #expect(try problems(#"{"model_type": "bert", "is_decoder": true, \#(bert)}"#).contains("is_decoder"))
        #expect(
            try problems(#"{"model_type": "t5", "feed_forward_proj": "gated-swosh"}"#)
                .contains("feed_forward_proj: unknown activation in 'gated-swosh'"))
        let llama = #""model_type": "llama", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8"#
        #expect(
            try problems(#"{\#(llama), "rope_scaling": {"type": "yarn", "factor": 4.0}}"#)
                .contains("rope_scaling.rope_type: 'yarn' is not implemented; default, linear and llama3 are"))
        #expect(
            try problems(#"{\#(llama), "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}"#)
                .contains("rope_parameters.partial_rotary_factor"))
        #expect(
            try problems(#"{\#(llama), "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1}}"#)
                .contains("rotations cannot be scaled"))
    }

    private static let small = VisionTransformerConfiguration(
        pictureSize: 32, hiddenSize: 8, layerCount: 1, headCount: 2, classCount: 0)
    private static let smallConfiguration = #"{"model_type": "vit", "image_size": 32, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}"#

    /// A folder of a small ViT in Hugging Face's names, its weights changed.
    private func folder(_ change: (inout [String: Tensor]) -> Void) throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        _ = try folder.file("config.json", holding: Array(Self.smallConfiguration.utf8))
        let layer = "encoder.layer.0."
        var weights: [String: Tensor] = [
            "embeddings.cls_token": .zeros([1, 1, 8]), "embeddings.position_embeddings": .zeros([1, 5, 8]),
            "embeddings.patch_embeddings.projection.weight": .zeros([8, 3, 16, 16]),
            "embeddings.patch_embeddings.projection.bias": .zeros([8]), "layernorm.weight": .zeros([8]),
            "layernorm.bias": .zeros([8]), layer + "intermediate.dense.weight": .zeros([32, 8]),
            layer + "intermediate.dense.bias": .zeros([32]), layer + "output.dense.weight": .zeros([8, 32]),
            layer + "output.dense.bias": .zeros([8]), layer + "attention.output.dense.weight": .zeros([8, 8]),
            layer + "attention.output.dense.bias": .zeros([8]),
        ]
        for norm in ["layernorm_before", "layernorm_after"] {
            weights[layer + norm + ".weight"] = .zeros([8])
            weights[layer + norm + ".bias"] = .zeros([8])
        }
        for part in ["query", "key", "value"] {
            weights["\(layer)attention.attention.\(part).weight"] = .zeros([8, 8])
            weights["\(layer)attention.attention.\(part).bias"] = .zeros([8])
        }
        change(&weights)
        try SafetensorsFile.write(weights, to: folder.url.appendingPathComponent("model.safetensors"))
        return folder
    }

    @Test func everyTensorThatDoesNotFitIsNamedAsTheCheckpointNamesIt() throws {
        let whole = try folder { _ in }
        #expect(try BackboneSource(whole.url).open().dialect == "transformers")
        let broken = try folder {
            $0["encoder.layer.0.intermediate.dense.weight"] = .zeros([31, 8])
            $0["layernorm.bias"] = nil
            $0["extra.weight"] = .zeros([2])
            $0["embeddings.cls_token"] = Tensor([1, 1, 1, 1, 1, 1, 1, Float.nan], shape: [1, 1, 8])
        }
        let error = #expect(throws: WeightMismatch.self) { try BackboneSource(broken.url).open() }
        let text = try #require(error).description
        #expect(text.contains("encoder.layer.0.intermediate.dense.weight has shape [31, 8], expected [32, 8]"))
        #expect(text.contains("layernorm.bias is missing, expected shape [8]"))
        #expect(text.contains("extra.weight [2] is left over"))
        #expect(text.contains("embeddings.cls_token holds values that are not finite"))
        let part = try folder { $0["encoder.layer.0.attention.attention.key.weight"] = nil }
        let missing = #expect(throws: WeightMismatch.self) { try BackboneSource(part.url).open() }
        #expect(missing?.description.contains("encoder.layer.0.attention.attention.key.weight is missing") == true)
    }

    @Test func aMissingShardIsNamed() throws {
        let folder = try TemporaryDirectory()
        _ = try folder.file("config.json", holding: Array(Self.smallConfiguration.utf8))
        let index = #"{"weight_map": {"layernorm.weight": "model-00001-of-00002.safetensors", "layernorm.bias": "../b.safetensors"}}"#
        _ = try folder.file("model.safetensors.index.json", holding: Array(index.utf8))
        let error = #expect(throws: BackboneError.self) { try BackboneSource(folder.url).open() }
        let text = try #require(error).description
        #expect(text.contains("the shard model-00001-of-00002.safetensors is missing"))
        #expect(text.contains("names the shard '../b.safetensors'; a shard lies in the index's own folder"))
    }

    @Test func picturesThatPatchesDoNotTileAreRefused() throws {
        let whole = try folder { _ in }
        let error = #expect(throws: BackboneError.self) { try BackboneSource(whole.url).open(forPicturesOf: 40) }
        #expect(error?.description.contains("40 is no multiple of 16") == true)
        #expect(throws: BackboneError.self) { try BackboneSource(whole.url).open(forPicturesOf: 1 << 40) }
        #expect(throws: BackboneError.self) { try BackboneSource(whole.url).open(forPicturesOf: -16) }
    }

    @Test func noPicturesHaveNoFeatures() throws {
        let network = VisionTransformer(Self.small)
        let none = Tensor.zeros([0, 32, 32, 3])
        #expect(network.features(of: none, reading: ["blocks.0"]).taps["blocks.0"]?.shape == [0, 5, 8])
        let request = FeatureRequest(taps: ["blocks.0"], vector: true)
        let frozen = FrozenBackbone(network, for: request).features(of: none, workers: 2)
        #expect(frozen.pooled.shape == [0, 8])
        #expect(frozen.taps["blocks.0"]?.shape == [0, 5, 8])
    }
}
