import PandoNN

extension BERTConfiguration: BackboneConfiguration {
    public static let family = "bert"
    public static let modelTypes = ["bert"]

    public static let published: [(name: String, configuration: Self)] = [("all-MiniLM-L6-v2", .miniLM)]

    public var dialects: [Dialect] {
        [
            Dialect(
                "transformers", prefixes: ["bert."],
                ignoring: ["embeddings.position_ids", "cls", "classifier", "qa_outputs"])
        ]
    }

    public init(modelType: String, reading file: inout ConfigurationReader) {
        vocabularySize = file.integer("vocab_size", in: 1...10_000_000)
        hiddenSize = file.integer("hidden_size", in: 1...65536)
        layerCount = file.integer("num_hidden_layers", in: 1...1024)
        headCount = file.integer("num_attention_heads", in: 1...65536)
        intermediateSize = file.integer("intermediate_size", in: 1...262_144)
        maximumPositions = file.integer("max_position_embeddings", in: 1...10_000_000)
        typeVocabularySize = file.integer("type_vocab_size", in: 1...10_000_000, default: 2)
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 1e-12)
    }

    public var initialization: Initialization { .transformer }

    public var problems: [String] {
        hiddenSize.isMultiple(of: headCount)
            ? [] : ["num_attention_heads \(headCount) does not divide hidden_size \(hiddenSize)"]
    }

    public func makeNetwork() -> BERT { BERT(self) }
}
