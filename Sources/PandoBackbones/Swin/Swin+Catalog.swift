import PandoData
import PandoNN

extension SwinConfiguration: ImageBackboneConfiguration {
    public static let family = "swin"
    public static let classifierNames = ["head.fc"]
    public static let modelTypes = ["swin"]

    /// timm's names and torchvision's.
    public static let published: [(name: String, configuration: Self)] = [
        ("swin_tiny_patch4_window7_224", .tiny), ("swin_small_patch4_window7_224", .small),
        ("swin_base_patch4_window7_224", .base), ("swin_base_patch4_window12_384", base.wide),
        ("swin_large_patch4_window7_224", .large), ("swin_large_patch4_window12_384", large.wide), ("swin_t", .tiny),
        ("swin_s", .small), ("swin_b", .base),
    ]

    public init(modelType: String, reading file: inout ConfigurationReader) {
        file.requireThreeChannels()
        self.init(
            width: file.integer("embed_dim", in: 1...8192, default: 96),
            depths: file.integers("depths", in: 1...1024, default: [2, 2, 6, 2]),
            headCounts: file.integers("num_heads", in: 1...8192, default: [3, 6, 12, 24]))
        patchSize = file.integer("patch_size", in: 1...1024, default: 4)
        windowSize = file.integer("window_size", in: 1...256, default: 7)
        expansion = file.real("mlp_ratio", in: 0.01...64, default: 4)
        hasProjectionBias = file.flag("qkv_bias", default: true)
        activation = file.activation("hidden_act", default: "gelu")
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 1e-5)
        pictureSize = file.integer("image_size", in: 1...65536, default: 224)
        (padsPictures, shiftsTogether) = (true, true)
        file.require("use_absolute_embeddings", isFalse: "the position of a patch is known to its window alone")
    }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("stages", [depths.count], in: 1...8)
        sizes.check("width", [width], in: 1...8192)
        sizes.check("depths", depths, in: 1...1024)
        sizes.check("heads", headCounts, in: 1...8192)
        sizes.check("patch size", [patchSize], in: 1...1024)
        sizes.check("window size", [windowSize], in: 1...256)
        sizes.check("pictures", [pictureSize], in: 1...65536)
        sizes.check("classes", [classCount], in: 0...10_000_000)
        sizes.expect((0.01...64).contains(expansion), "expansion \(expansion) is outside 0.01...64")
        sizes.expect(depths.count == headCounts.count, "\(headCounts.count) head counts for \(depths.count) stages")
        guard sizes.problems.isEmpty else { return sizes.problems }
        for (stage, heads) in headCounts.enumerated() where !(width << stage).isMultiple(of: heads) {
            sizes.expect(false, "\(heads) heads do not divide the \(width << stage) channels of stage \(stage)")
        }
        return sizes.problems
    }

    public var dialects: [Dialect] {
        typealias Rule = Dialect.Rule
        let tables = ["**.relative_position_index", "**.attn_mask"]
        let ours = "layers.*.blocks.*"
        let torchvision = depths.indices.flatMap { stage in
            let (their, our) = ("features.\(2 * stage + 1).*", "layers.\(stage).blocks.*")
            return [Rule("\(their).mlp.0", "\(our).mlp.fc1"), Rule("\(their).mlp.3", "\(our).mlp.fc2")]
                + ["norm1", "attn", "norm2"].map { Rule("\(their).\($0)", "\(our).\($0)") }
                + (stage == 0 ? [] : [Rule("features.\(2 * stage)", "layers.\(stage).downsample")])
        }
        let theirs = "encoder.layers.*.blocks.*"
        let ends = [
            Rule("embeddings.patch_embeddings.projection", "patch_embed.proj"),
            Rule("embeddings.norm", "patch_embed.norm"), Rule("encoder.layers.*.downsample", "layers.*+1.downsample"),
            Rule("\(theirs).layernorm_before", "\(ours).norm1"), Rule("\(theirs).layernorm_after", "\(ours).norm2"),
            Rule("layernorm", "norm"), Rule("classifier", "head.fc"),
        ]
        func attention(_ projections: [String], output: String, table: String, _ layers: (String, String)) -> [Rule] {
            [
                Rule(projections.map { "\(theirs).attention.\($0)" }, "\(ours).attn.qkv"),
                Rule("\(theirs).attention.\(output)", "\(ours).attn.proj"),
                Rule(
                    "\(theirs).attention.\(table).relative_position_bias_table",
                    "\(ours).attn.relative_position_bias_table"),
                Rule("\(theirs).\(layers.0)", "\(ours).mlp.fc1"), Rule("\(theirs).\(layers.1)", "\(ours).mlp.fc2"),
            ]
        }
        return [
            Dialect("timm", ignoring: tables),
            Dialect(
                "original", rules: [Rule("layers.*.downsample", "layers.*+1.downsample"), Rule("head", "head.fc")],
                ignoring: tables),
            Dialect(
                "torchvision",
                rules: torchvision + [
                    Rule("features.0.0", "patch_embed.proj"), Rule("features.0.2", "patch_embed.norm"),
                    Rule("head", "head.fc"),
                ],
                ignoring: tables),
            Dialect(
                "transformers", prefixes: ["swin."],
                rules: attention(
                    ["self.query", "self.key", "self.value"], output: "output.dense", table: "self",
                    ("intermediate.dense", "output.dense")) + ends,
                ignoring: tables),
            Dialect(
                "transformers 5", prefixes: ["swin."],
                rules: attention(
                    ["q_proj", "k_proj", "v_proj"], output: "o_proj", table: "relative_position_bias",
                    ("mlp.fc1", "mlp.fc2")) + ends,
                ignoring: tables),
        ]
    }

    public var initialization: Initialization { .transformer }

    public var preprocessing: Preprocessing? { .imageNet(side: pictureSize, interpolation: .bicubic) }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["head.fc.weight"]?.first ?? 0
        return fitted
    }

    public func makeNetwork() -> Swin { Swin(self) }
}
