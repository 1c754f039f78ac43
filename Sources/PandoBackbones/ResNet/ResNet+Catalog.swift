import PandoData
import PandoNN

extension ResNetConfiguration: ImageBackboneConfiguration {
    public static let family = "resnet"
    public static let classifierNames = ["fc"]
    public static let modelTypes = ["resnet"]

    /// torchvision's and timm's names.
    public static let published: [(name: String, configuration: Self)] = [
        ("resnet18", .resNet18), ("resnet26", .resNet26), ("resnet34", .resNet34), ("resnet50", .resNet50),
        ("resnet101", .resNet101), ("resnet152", .resNet152),
    ]

    public init(modelType: String, reading file: inout ConfigurationReader) {
        let type = file.text("layer_type", default: "bottleneck")
        if type != "basic" && type != "bottleneck" {
            file.problem("layer_type", "expected 'basic' or 'bottleneck', found '\(type)'")
        }
        self.init(
            widths: file.integers("hidden_sizes", in: 1...65536, default: [256, 512, 1024, 2048]),
            blocks: file.integers("depths", in: 1...1024, default: [3, 4, 6, 3]), isBottleneck: type == "bottleneck")
        file.requireThreeChannels()
        stemChannels = file.integer("embedding_size", in: 1...65536, default: 64)
        activation = file.activation("hidden_act", default: "relu")
        stridesFirstStage = file.flag("downsample_in_first_stage", default: false)
        stridesFirstConvolution = file.flag("downsample_in_bottleneck", default: false)
    }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("stages", [widths.count], in: 1...16)
        sizes.check("widths", widths, in: 1...65536)
        sizes.check("blocks", blocks, in: 1...1024)
        sizes.check("stem channels", [stemChannels], in: 1...65536)
        sizes.check("classes", [classCount], in: 0...10_000_000)
        sizes.expect(widths.count == blocks.count, "\(widths.count) widths for \(blocks.count) stages")
        sizes.expect(
            !isBottleneck || widths.allSatisfy { $0.isMultiple(of: 4) }, "4 does not divide every width of \(widths)")
        return sizes.problems
    }

    public var dialects: [Dialect] {
        let stages = widths.indices.flatMap { stage in
            let (theirs, ours) = ("encoder.stages.\(stage).layers.*", "layer\(stage + 1).*")
            return (0..<3).flatMap { index in
                [
                    Dialect.Rule("\(theirs).layer.\(index).convolution", "\(ours).conv\(index + 1)"),
                    Dialect.Rule("\(theirs).layer.\(index).normalization", "\(ours).bn\(index + 1)"),
                ]
            } + [
                Dialect.Rule("\(theirs).shortcut.convolution", "\(ours).downsample.0"),
                Dialect.Rule("\(theirs).shortcut.normalization", "\(ours).downsample.1"),
            ]
        }
        return [
            Dialect("torchvision"),
            Dialect(
                "transformers", prefixes: ["resnet."],
                rules: [
                    Dialect.Rule("embedder.embedder.convolution", "conv1"),
                    Dialect.Rule("embedder.embedder.normalization", "bn1"), Dialect.Rule("classifier.1", "fc"),
                ] + stages)
        ]
    }

    public var preprocessing: Preprocessing? { .imageNet() }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["fc.weight"]?.first ?? 0
        return fitted
    }

    public func makeNetwork() -> ResNet { ResNet(self) }
}
