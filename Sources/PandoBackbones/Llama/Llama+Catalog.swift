import PandoNN

extension LlamaConfiguration: BackboneConfiguration {
    public static let family = "llama"
    public static let modelTypes = ["llama", "mistral", "qwen2"]

    public init(modelType: String, reading file: inout ConfigurationReader) {
        let size = file.integer("hidden_size", in: 1...65536)
        let heads = file.integer("num_attention_heads", in: 1...1024)
        self.init(
            vocabularySize: file.integer("vocab_size", in: 1...10_000_000), hiddenSize: size,
            layerCount: file.integer("num_hidden_layers", in: 1...256), headCount: heads,
            keyHeadCount: file.integer("num_key_value_heads", in: 1...1024, default: modelType == "mistral" ? 8 : heads),
            headSize: file.integer("head_dim", in: 1...4096, default: max(size / heads, 1)),
            intermediateSize: file.integer("intermediate_size", in: 1...1_048_576),
            maximumLength: file.integer("max_position_embeddings", in: 1...100_000_000, default: 2048))
        activation = file.activation("hidden_act", default: "silu")
        epsilon = file.number("rms_norm_eps", in: 0...1, default: 1e-6)
        tiesEmbeddings = file.flag("tie_word_embeddings", default: false)
        ends = file.wholeNumbers("eos_token_id", in: 0...10_000_000) ?? []
        switch modelType {
        case "qwen2": hasProjectionBias = true
        case "llama":
            hasProjectionBias = file.flag("attention_bias", default: false)
            hasOutputBias = hasProjectionBias
            hasPerceptronBias = file.flag("mlp_bias", default: false)
        default: break
        }
        readWindow(modelType, &file)
        readRotations(&file)
    }

    /// A window hides nothing of a text that fits into it: longer ones are not taken.
    private mutating func readWindow(_ modelType: String, _ file: inout ConfigurationReader) {
        let isOn: Bool
        switch modelType {
        case "mistral": isOn = file.has("sliding_window") || !file.keys.contains("sliding_window")
        case "qwen2": isOn = file.flag("use_sliding_window", default: false)
        default: isOn = false
        }
        if isOn { maximumLength = min(maximumLength, file.integer("sliding_window", in: 1...100_000_000, default: 4096)) }
    }

    /// `rope_parameters` as transformers 5 writes them, or `rope_theta` and `rope_scaling` as 4 does.
    private mutating func readRotations(_ file: inout ConfigurationReader) {
        rotationBase = Double(file.number("rope_theta", in: 1...1e12, default: 10_000))
        let key = file.has("rope_parameters") ? "rope_parameters" : "rope_scaling"
        guard var section = file.section(key) else { return }
        rotationBase = Double(section.number("rope_theta", in: 1...1e12, default: rotationBase))
        let part = section.number("partial_rotary_factor", in: 0...1, default: 1)
        if part != 1 { section.problem("partial_rotary_factor", "is \(part); all features turn here") }
        let type = section.textIfAny("rope_type") ?? section.text("type", default: "default")
        switch type {
        case "default": scaling = .none
        case "linear": scaling = .linear(factor: Double(section.number("factor", in: 1...1e6)))
        case "llama3":
            scaling = .llama3(
                factor: Double(section.number("factor", in: 1...1e6)),
                slow: Double(section.number("low_freq_factor", in: 0.001...1e6)),
                fast: Double(section.number("high_freq_factor", in: 0.001...1e6)),
                pretrainedLength: section.integer(
                    "original_max_position_embeddings", in: 1...100_000_000, default: maximumLength))
        default: section.problem("rope_type", "'\(type)' is not implemented; default, linear and llama3 are")
        }
        file.take(section)
    }

    public var initialization: Initialization { .transformer }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("the vocabulary's size", [vocabularySize], in: 1...10_000_000)
        sizes.check("the hidden size", [hiddenSize], in: 1...65536)
        sizes.check("the number of layers", [layerCount], in: 1...256)
        sizes.check("the numbers of heads", [headCount, keyHeadCount], in: 1...1024)
        sizes.check("the size of a head", [headSize], in: 1...4096)
        sizes.check("the intermediate size", [intermediateSize], in: 1...1_048_576)
        sizes.check("the longest text", [maximumLength], in: 1...100_000_000)
        if !sizes.problems.isEmpty { return sizes.problems }
        sizes.expect(
            headCount.isMultiple(of: keyHeadCount),
            "\(keyHeadCount) heads of keys do not divide the \(headCount) heads of queries")
        sizes.expect(headSize.isMultiple(of: 2), "a head of \(headSize) features does not make pairs to turn")
        sizes.expect((1...1e12).contains(rotationBase), "the rotations' base \(rotationBase) is outside 1...1e12")
        switch scaling {
        case .none: break
        case .linear(let factor): sizes.expect((1...1e6).contains(factor), "the factor \(factor) is outside 1...1e6")
        case .llama3(let factor, let slow, let fast, let length):
            sizes.expect(
                (1...1e6).contains(factor) && slow > 0 && fast > slow && fast.isFinite && length > 0,
                "rotations cannot be scaled by \(factor) between \(slow) and \(fast) turns of \(length) tokens")
        }
        return sizes.problems
    }

    public func makeNetwork() -> Llama { Llama(self) }

    public var dialects: [Dialect] {
        let computed = ["rotary_emb", "layers.*.self_attn.rotary_emb"]
        return [
            Dialect(
                "transformers", prefixes: ["model."], ignoring: computed + (tiesEmbeddings ? ["lm_head"] : []))
        ]
    }
}
