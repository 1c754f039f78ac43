import PandoData
import PandoNN

extension ConvNeXtConfiguration: ImageBackboneConfiguration {
    public static let family = "convnext"
    public static let classifierNames = ["head.fc"]
    public static let modelTypes = ["convnext", "convnextv2"]

    /// timm's names; torchvision's are among them.
    public static let published: [(name: String, configuration: Self)] = [
        ("convnext_atto", Self(40, [2, 2, 6, 2])), ("convnext_femto", Self(48, [2, 2, 6, 2])),
        ("convnext_pico", Self(64, [2, 2, 6, 2])), ("convnext_nano", Self(80, [2, 2, 8, 2])),
        ("convnext_tiny", Self(96, [3, 3, 9, 3])), ("convnext_small", Self(96, [3, 3, 27, 3])),
        ("convnext_base", Self(128, [3, 3, 27, 3])), ("convnext_large", Self(192, [3, 3, 27, 3])),
        ("convnext_xlarge", Self(256, [3, 3, 27, 3])),
    ]
    + [
        ("atto", 40, [2, 2, 6, 2]), ("femto", 48, [2, 2, 6, 2]), ("pico", 64, [2, 2, 6, 2]), ("nano", 80, [2, 2, 8, 2]),
        ("tiny", 96, [3, 3, 9, 3]), ("small", 96, [3, 3, 27, 3]), ("base", 128, [3, 3, 27, 3]),
        ("large", 192, [3, 3, 27, 3]), ("huge", 352, [3, 3, 27, 3]),
    ].map { ("convnextv2_\($0)", Self($1, $2, normalizesResponses: true)) }

    public init(modelType: String, reading file: inout ConfigurationReader) {
        file.requireThreeChannels()
        self.init(
            widths: file.integers("hidden_sizes", in: 1...16384, default: [96, 192, 384, 768]),
            depths: file.integers("depths", in: 1...1024, default: [3, 3, 9, 3]),
            normalizesResponses: modelType == "convnextv2")
        patchSize = file.integer("patch_size", in: 1...1024, default: 4)
        activation = file.activation("hidden_act", default: "gelu")
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 1e-12)
        if modelType == "convnext" { hasLayerScale = file.number("layer_scale_init_value", in: -1e6...1e6, default: 1e-6) > 0 }
        let stages = file.integer("num_stages", in: 1...16, default: widths.count)
        if stages != widths.count { file.problem("num_stages", "is \(stages), but hidden_sizes has \(widths.count)") }
    }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("stages", [widths.count], in: 1...16)
        sizes.check("widths", widths, in: 1...16384)
        sizes.check("depths", depths, in: 1...1024)
        sizes.check("patch size", [patchSize], in: 1...1024)
        sizes.check("classes", [classCount], in: 0...10_000_000)
        sizes.expect(widths.count == depths.count, "\(widths.count) widths for \(depths.count) stages")
        return sizes.problems
    }

    public var dialects: [Dialect] {
        typealias Rule = Dialect.Rule
        let ours = "stages.*.blocks.*"
        // timm's smaller networks store their linear maps as convolutions of one place.
        let isNarrow = (widths.first ?? 0) < 96
        let timm = isNarrow ? ["fc1", "fc2"].map { Rule("\(ours).mlp.\($0)", "\(ours).mlp.\($0)", form: .kernels) } : []
        let torchvision = widths.indices.flatMap { stage in
            let (their, our) = ("features.\(2 * stage + 1).*", "stages.\(stage).blocks.*")
            return [
                Rule("\(their).block.0", "\(our).conv_dw"), Rule("\(their).block.2", "\(our).norm"),
                Rule("\(their).block.3", "\(our).mlp.fc1"), Rule("\(their).block.5", "\(our).mlp.fc2"),
                Rule("\(their).layer_scale", "\(our).gamma", form: .vectors(before: 0, after: 2)),
            ]
                + (stage == 0 ? [] : [Rule("features.\(2 * stage)", "stages.\(stage).downsample")])
        }
        func block(_ theirs: String) -> [Rule] {
            [
                Rule("\(theirs).dwconv", "\(ours).conv_dw"), Rule("\(theirs).pwconv1", "\(ours).mlp.fc1"),
                Rule("\(theirs).pwconv2", "\(ours).mlp.fc2"),
            ]
        }
        let theirs = "encoder.stages.*.layers.*"
        return [
            Dialect("timm", rules: timm),
            Dialect(
                "torchvision",
                rules: torchvision + [
                    Rule("features.0", "stem"), Rule("classifier.0", "head.norm"), Rule("classifier.2", "head.fc"),
                ]),
            Dialect(
                "transformers", prefixes: ["convnext.", "convnextv2."],
                rules: block(theirs) + [
                    Rule("\(theirs).layernorm", "\(ours).norm"), Rule("\(theirs).layer_scale_parameter", "\(ours).gamma"),
                    Rule("\(theirs).grn", "\(ours).mlp.grn", form: .vectors(before: 3, after: 0)),
                    Rule("encoder.stages.*.downsampling_layer", "stages.*.downsample"),
                    Rule("embeddings.patch_embeddings", "stem.0"), Rule("embeddings.layernorm", "stem.1"),
                    Rule("layernorm", "head.norm"), Rule("classifier", "head.fc"),
                ]),
            Dialect(
                "original",
                rules: block("stages.*.*") + [
                    Rule("stages.*.*.norm", "\(ours).norm"), Rule("stages.*.*.gamma", "\(ours).gamma"),
                    Rule("stages.*.*.grn.gamma", "\(ours).mlp.grn.weight", form: .vectors(before: 3, after: 0)),
                    Rule("stages.*.*.grn.beta", "\(ours).mlp.grn.bias", form: .vectors(before: 3, after: 0)),
                    Rule("downsample_layers.0", "stem"), Rule("downsample_layers.*", "stages.*.downsample"),
                    Rule("norm", "head.norm"), Rule("head", "head.fc"),
                ]),
        ]
    }

    public var initialization: Initialization { .transformer }

    public var preprocessing: Preprocessing? { .imageNet(interpolation: .bicubic) }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["head.fc.weight"]?.first ?? 0
        return fitted
    }

    public func makeNetwork() -> ConvNeXt { ConvNeXt(self) }
}
