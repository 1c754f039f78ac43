import PandoNN

extension BERTConfiguration: BackboneConfiguration {
    public static let family = "bert"
    public static let modelTypes = ["bert", "roberta", "xlm-roberta", "distilbert"]

    public static let published: [(name: String, configuration: Self)] = [("all-MiniLM-L6-v2", .miniLM)]

    public init(modelType: String, reading file: inout ConfigurationReader) {
        let kind = file.text("position_embedding_type", default: "absolute")
        if kind != "absolute" {
            file.problem("position_embedding_type", "'\(kind)' is not implemented; 'absolute' is")
        }
        file.require("is_decoder", isFalse: "a token would see only those before it")
        if modelType == "distilbert" { self.init(distilbert: &file) } else { self.init(bert: &file) }
        guard modelType.hasSuffix("roberta") else { return }
        firstPosition = file.integer("pad_token_id", in: 0...10_000_000, default: 1) + 1
    }

    private init(bert file: inout ConfigurationReader) {
        self.init(
            vocabularySize: file.integer("vocab_size", in: Self.vocabularies),
            hiddenSize: file.integer("hidden_size", in: Self.hiddenSizes),
            layerCount: file.integer("num_hidden_layers", in: Self.layerCounts),
            headCount: file.integer("num_attention_heads", in: 1...1024),
            intermediateSize: file.integer("intermediate_size", in: Self.intermediateSizes),
            maximumPositions: file.integer("max_position_embeddings", in: Self.positions))
        typeVocabularySize = file.integer("type_vocab_size", in: 0...65536, default: 2)
        activation = file.activation("hidden_act", default: "gelu")
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 1e-12)
    }

    private init(distilbert file: inout ConfigurationReader) {
        self.init(
            vocabularySize: file.integer("vocab_size", in: Self.vocabularies),
            hiddenSize: file.integer("dim", in: Self.hiddenSizes, default: 768),
            layerCount: file.integer("n_layers", in: Self.layerCounts, default: 6),
            headCount: file.integer("n_heads", in: 1...1024, default: 12),
            intermediateSize: file.integer("hidden_dim", in: Self.intermediateSizes, default: 3072),
            maximumPositions: file.integer("max_position_embeddings", in: Self.positions, default: 512))
        typeVocabularySize = 0
        activation = file.activation("activation", default: "gelu")
        hasPooler = false
    }

    private static let vocabularies = 1...10_000_000
    private static let hiddenSizes = VisionTransformerConfiguration.hiddenSizes
    private static let layerCounts = VisionTransformerConfiguration.layerCounts
    private static let intermediateSizes = VisionTransformerConfiguration.intermediateSizes
    private static let positions = 1...1_000_000

    public var initialization: Initialization { .transformer }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("the vocabulary's size", [vocabularySize], in: Self.vocabularies)
        sizes.check("the hidden size", [hiddenSize], in: Self.hiddenSizes)
        sizes.check("the number of layers", [layerCount], in: Self.layerCounts)
        sizes.check("the number of heads", [headCount], in: 1...1024)
        sizes.check("the intermediate size", [intermediateSize], in: Self.intermediateSizes)
        sizes.check("the number of positions", [maximumPositions], in: Self.positions)
        sizes.check("the number of types", [typeVocabularySize], in: 0...65536)
        if !sizes.problems.isEmpty { return sizes.problems }
        sizes.expect(
            hiddenSize.isMultiple(of: headCount), "\(headCount) heads do not divide the hidden size \(hiddenSize)")
        sizes.expect(
            (0..<maximumPositions).contains(firstPosition),
            "the first position \(firstPosition) is not among the \(maximumPositions) positions")
        sizes.expect(pooling != .pooler || hasPooler, "there is no pooler to pool by")
        return sizes.problems
    }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.hasPooler = shapes["pooler.dense.weight"] != nil
        return fitted
    }

    public func makeNetwork() -> BERT { BERT(self) }

    public var dialects: [Dialect] {
        let ignored = [
            "embeddings.position_ids", "embeddings.token_type_ids", "cls", "classifier", "pre_classifier", "qa_outputs",
            "lm_head", "vocab_transform", "vocab_layer_norm", "vocab_projector",
        ]
        let prefixes = ["bert.", "roberta.", "xlm_roberta.", "distilbert."]
        let norms = ["embeddings.LayerNorm", "encoder.layer.*.attention.output.LayerNorm", "encoder.layer.*.output.LayerNorm"]
        let (theirs, ours) = ("transformer.layer.*.", "encoder.layer.*.")
        return [
            Dialect("transformers", prefixes: prefixes, ignoring: ignored),
            // Files of the network's first years, from TensorFlow.
            Dialect(
                "BERT's authors", prefixes: prefixes,
                rules: norms.flatMap { [.init("\($0).gamma", "\($0).weight"), .init("\($0).beta", "\($0).bias")] },
                ignoring: ignored),
            Dialect(
                "transformers (DistilBERT)", prefixes: prefixes,
                rules: [
                    ("attention.q_lin", "attention.self.query"), ("attention.k_lin", "attention.self.key"),
                    ("attention.v_lin", "attention.self.value"), ("attention.out_lin", "attention.output.dense"),
                    ("sa_layer_norm", "attention.output.LayerNorm"), ("ffn.lin1", "intermediate.dense"),
                    ("ffn.lin2", "output.dense"), ("output_layer_norm", "output.LayerNorm"),
                ].map { .init(theirs + $0, ours + $1) }, ignoring: ignored),
        ]
    }
}
