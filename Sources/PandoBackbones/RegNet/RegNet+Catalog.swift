import PandoData
import PandoNN

extension RegNetConfiguration: ImageBackboneConfiguration {
    public static let family = "regnet"
    public static let classifierNames = ["head.fc"]
    public static let modelTypes = ["regnet"]

    /// Depth, first width, slope, step and group width by timm's number, and torchvision's name where it has one.
    private static let designs: [(String, torchvision: String?, Int, Int, Double, Double, Int)] = [
        ("regnetx_002", nil, 13, 24, 36.44, 2.49, 8), ("regnetx_004", "regnet_x_400mf", 22, 24, 24.48, 2.54, 16),
        ("regnetx_006", nil, 16, 48, 36.97, 2.24, 24), ("regnetx_008", "regnet_x_800mf", 16, 56, 35.73, 2.28, 16),
        ("regnetx_016", "regnet_x_1_6gf", 18, 80, 34.01, 2.25, 24),
        ("regnetx_032", "regnet_x_3_2gf", 25, 88, 26.31, 2.25, 48), ("regnetx_040", nil, 23, 96, 38.65, 2.43, 40),
        ("regnetx_064", nil, 17, 184, 60.83, 2.07, 56), ("regnetx_080", "regnet_x_8gf", 23, 80, 49.56, 2.88, 120),
        ("regnetx_120", nil, 19, 168, 73.36, 2.37, 112), ("regnetx_160", "regnet_x_16gf", 22, 216, 55.59, 2.1, 128),
        ("regnetx_320", "regnet_x_32gf", 23, 320, 69.86, 2.0, 168), ("regnety_002", nil, 13, 24, 36.44, 2.49, 8),
        ("regnety_004", "regnet_y_400mf", 16, 48, 27.89, 2.09, 8), ("regnety_006", nil, 15, 48, 32.54, 2.32, 16),
        ("regnety_008", "regnet_y_800mf", 14, 56, 38.84, 2.4, 16),
        ("regnety_016", "regnet_y_1_6gf", 27, 48, 20.71, 2.65, 24),
        ("regnety_032", "regnet_y_3_2gf", 21, 80, 42.63, 2.66, 24), ("regnety_040", nil, 22, 96, 31.41, 2.24, 64),
        ("regnety_064", nil, 25, 112, 33.22, 2.27, 72), ("regnety_080", "regnet_y_8gf", 17, 192, 76.82, 2.19, 56),
        ("regnety_120", nil, 19, 168, 73.36, 2.37, 112), ("regnety_160", "regnet_y_16gf", 18, 200, 106.23, 2.48, 112),
        ("regnety_320", "regnet_y_32gf", 20, 232, 115.89, 2.53, 232), ("regnety_640", nil, 20, 352, 147.48, 2.4, 328),
        ("regnety_1280", "regnet_y_128gf", 27, 456, 160.83, 2.52, 264),
    ]

    public static let published: [(name: String, configuration: Self)] = designs.flatMap {
        number, torchvision, depth, first, slope, step, groupWidth in
        func network(guarded: Bool) -> Self {
            Self(
                depth: depth, first: first, slope: slope, step: step, groupWidth: groupWidth,
                isGated: number.hasPrefix("regnety"), guarded: guarded)
        }
        let timm = (name: number, configuration: network(guarded: false))
        guard let torchvision else { return [timm] }
        let guarded = network(guarded: true)
        return [timm, (torchvision, guarded)] + (guarded == timm.configuration ? [] : [("\(number)_tv", guarded)])
    }

    public init(modelType: String, reading file: inout ConfigurationReader) {
        file.requireThreeChannels()
        let type = file.text("layer_type", default: "y")
        if type != "x" && type != "y" { file.problem("layer_type", "expected 'x' or 'y', found '\(type)'") }
        self.init(
            widths: file.integers("hidden_sizes", in: 1...16384, default: [128, 192, 512, 1088]),
            depths: file.integers("depths", in: 1...1024, default: [2, 6, 12, 2]),
            groupWidth: file.integer("groups_width", in: 1...16384, default: 64), isGated: type == "y")
        stemChannels = file.integer("embedding_size", in: 1...16384, default: 32)
        activation = file.activation("hidden_act", default: "relu")
        stridesFirstStage = file.flag("downsample_in_first_stage", default: true)
    }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("stages", [widths.count], in: 1...16)
        sizes.check("widths", widths + [stemChannels], in: 1...16384)
        sizes.check("depths", depths, in: 1...1024)
        sizes.check("group width", [groupWidth], in: 1...16384)
        sizes.check("classes", [classCount], in: 0...10_000_000)
        sizes.expect(widths.count == depths.count, "\(widths.count) widths for \(depths.count) stages")
        guard sizes.problems.isEmpty else { return sizes.problems }
        for width in widths where !width.isMultiple(of: max(1, width / groupWidth)) {
            sizes.expect(false, "groups of \(groupWidth) channels do not divide \(width)")
        }
        return sizes.problems
    }

    public var dialects: [Dialect] {
        typealias Rule = Dialect.Rule
        func pair(_ theirs: String, _ names: (String, String), _ ours: String) -> [Rule] {
            [Rule("\(theirs).\(names.0)", "\(ours).conv"), Rule("\(theirs).\(names.1)", "\(ours).bn")]
        }
        let places = zip(widths.indices, depths).flatMap { stage, depth in (0..<depth).map { (stage, $0) } }
        let torchvision = places.flatMap { stage, index -> [Rule] in
            let their = "trunk_output.block\(stage + 1).block\(stage + 1)-\(index)"
            let our = "s\(stage + 1).b\(index + 1)"
            let parts = [("f.a", "conv1"), ("f.b", "conv2"), ("f.c", "conv3"), ("proj", "downsample")]
            return parts.flatMap { pair("\(their).\($0)", ("0", "1"), "\(our).\($1)") }
                + [Rule("\(their).f.se", "\(our).se")]
        }
        let names = ("convolution", "normalization")
        let huggingFace = places.flatMap { stage, index -> [Rule] in
            let their = "encoder.stages.\(stage).layers.\(index)"
            let our = "s\(stage + 1).b\(index + 1)"
            let parts = [
                ("layer.0", "conv1"), ("layer.1", "conv2"), (isGated ? "layer.3" : "layer.2", "conv3"),
                ("shortcut", "downsample"),
            ]
            return parts.flatMap { pair("\(their).\($0)", names, "\(our).\($1)") } + [
                Rule("\(their).layer.2.attention.0", "\(our).se.fc1"),
                Rule("\(their).layer.2.attention.2", "\(our).se.fc2"),
            ]
        }
        return [
            Dialect("timm"),
            Dialect("torchvision", rules: torchvision + pair("stem", ("0", "1"), "stem") + [Rule("fc", "head.fc")]),
            Dialect(
                "transformers", prefixes: ["regnet."],
                rules: huggingFace + pair("embedder.embedder", names, "stem") + [Rule("classifier.1", "head.fc")]),
        ]
    }

    public var preprocessing: Preprocessing? { .imageNet() }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["head.fc.weight"]?.first ?? 0
        return fitted
    }

    public func makeNetwork() -> RegNet { RegNet(self) }
}
