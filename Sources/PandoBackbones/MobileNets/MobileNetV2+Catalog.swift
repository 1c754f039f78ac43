import PandoData
import PandoNN

extension MobileNetV2Configuration: ImageBackboneConfiguration {
    public static let family = "mobilenet_v2"
    public static let classifierNames = ["classifier"]
    public static let modelTypes = ["mobilenet_v2"]

    /// torchvision's name and timm's.
    public static let published: [(name: String, configuration: Self)] = [
        ("mobilenet_v2", Self()), ("mobilenetv2_035", Self(width: 0.35)), ("mobilenetv2_050", Self(width: 0.5)),
        ("mobilenetv2_075", Self(width: 0.75)), ("mobilenetv2_100", Self()), ("mobilenetv2_140", Self(width: 1.4)),
        ("mobilenetv2_110d", Self(width: 1.1, depth: 1.2, keepsEnds: true)),
        ("mobilenetv2_120d", Self(width: 1.2, depth: 1.4, keepsEnds: true)),
    ]

    public init(modelType: String, reading file: inout ConfigurationReader) {
        file.requireThreeChannels()
        let width = file.real("depth_multiplier", in: 0.01...16, default: 1)
        let divisor = file.integer("depth_divisible_by", in: 1...1024, default: 8)
        let minimum = file.integer("min_depth", in: 1...65536, default: 8)
        func scaled(_ channels: Int) -> Int {
            roundedChannels((Double(channels) * width).rounded(.toNearestOrEven), divisor: divisor, minimum: minimum)
        }
        stemChannels = scaled(32)
        widths = widths.map(scaled)
        let keepsHead = file.flag("finegrained_output", default: true) && width < 1
        headChannels = keepsHead ? 1280 : scaled(1280)
        expansion = file.number("expand_ratio", in: 0.1...64, default: 6)
        (self.divisor, minimumChannels) = (divisor, minimum)
        expandsFirst = !file.flag("first_layer_is_expansion", default: true)
        activation = file.activation("hidden_act", default: "relu6")
        framing = file.flag("tf_padding", default: true) ? .same : .symmetric
        epsilon = file.number("layer_norm_eps", in: 0...1, default: 0.001)
        let stride = file.integer("output_stride", in: 1...32, default: 32)
        if stride != 32 { file.problem("output_stride", "is \(stride); only 32, without dilation, is implemented") }
    }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.expect(widths.count == 7 && repeats.count == 7, "7 stages are expected, not \(widths.count)")
        sizes.check("widths", widths + [stemChannels, headChannels], in: 1...16384)
        sizes.check("repeats", repeats, in: 1...256)
        sizes.check("divisor", [divisor, minimumChannels], in: 1...65536)
        sizes.expect((0.1...64).contains(expansion), "expansion \(expansion) is outside 0.1...64")
        sizes.check("classes", [classCount], in: 0...10_000_000)
        return sizes.problems
    }

    public var dialects: [Dialect] {
        let huggingFace = MobileNames(
            stem: ("conv_stem.first_conv.convolution", "conv_stem.first_conv.normalization"),
            blocks: blocks.indices.map { index in
                func part(_ name: String) -> MobileNames.Pair { ("\(name).convolution", "\(name).normalization") }
                return MobileNames.Block(
                    path: index == 0 ? "conv_stem" : "layer.\(index - 1)", expansion: part("expand_1x1"),
                    depthwise: part("conv_3x3"), projection: part("reduce_1x1"), squeeze: ("", ""))
            },
            head: ("conv_1x1.convolution", "conv_1x1.normalization"), classifier: "classifier")
        return [
            Dialect("torchvision"), Dialect("timm", rules: MobileNames.timm(blocks).rules(to: names, blocks)),
            Dialect(
                "transformers", prefixes: ["mobilenet_v2."], rules: huggingFace.rules(to: names, blocks)),
        ]
    }

    public var preprocessing: Preprocessing? { .imageNet() }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["classifier.1.weight"]?.first ?? 0
        return fitted
    }
}
