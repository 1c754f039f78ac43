import PandoData
import PandoNN

extension EfficientNetConfiguration: ImageBackboneConfiguration {
    public static let family = "efficientnet"
    public static let classifierNames = ["_fc"]
    public static let modelTypes = ["efficientnet"]

    /// Width, depth, pictures, and the edge that torchvision scales them to first, of B0 to B7.
    private static let scales: [(Double, Double, Int, Int)] = [
        (1, 1, 224, 256), (1, 1.1, 240, 256), (1.1, 1.2, 288, 288), (1.2, 1.4, 300, 320), (1.4, 1.8, 380, 384),
        (1.6, 2.2, 456, 456), (1.8, 2.6, 528, 528), (2, 3.1, 600, 600),
    ]
    /// Width, depth and pictures of Lite0 to Lite4.
    private static let liteScales: [(Double, Double, Int)] = [
        (1, 1, 224), (1, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300),
    ]

    /// torchvision's names and timm's; from B5 on torchvision's norms have another epsilon than timm's.
    public static let published: [(name: String, configuration: Self)] =
        liteScales.enumerated().flatMap { index, scale in
            let (width, depth, side) = scale
            let lite = Self(liteWidth: width, depth: depth, pictureSize: side)
            let symmetric = Self(liteWidth: width, depth: depth, pictureSize: side, framing: .symmetric, epsilon: 1e-5)
            return [
                ("efficientnet_lite\(index)", lite), ("tf_efficientnet_lite\(index)", lite),
                ("timm/efficientnet_lite\(index)", symmetric),
            ]
        }
        + scales.enumerated().flatMap { index, scale in
            let (width, depth, side, edge) = scale
            func network(_ framing: MobileFraming, _ epsilon: Float) -> Self {
                Self(width: width, depth: depth, pictureSize: side, edge: edge, framing: framing, epsilon: epsilon)
            }
            return [
                ("efficientnet_b\(index)", network(.symmetric, index < 5 ? 1e-5 : 1e-3)),
                ("timm/efficientnet_b\(index)", network(.symmetric, 1e-5)),
                ("tf_efficientnet_b\(index)", network(.same, 1e-3)),
            ]
        }

    public init(modelType: String, reading file: inout ConfigurationReader) {
        file.requireThreeChannels()
        let side = file.integer("image_size", in: 1...65536, default: 600)
        self.init(
            width: 1, depth: 1, pictureSize: side, edge: side, framing: .evenSame,
            epsilon: file.number("batch_norm_eps", in: 0...1, default: 0.001))
        let width = file.real("width_coefficient", in: 0.01...16, default: 2)
        let depth = file.real("depth_coefficient", in: 0.01...64, default: 3.1)
        let divisor = file.integer("depth_divisor", in: 1...1024, default: 8)
        func scaled(_ channels: Int) -> Int { roundedChannels(Double(channels) * width, divisor: divisor) }
        func list(_ key: String, _ fallback: [Int], in range: ClosedRange<Int> = 1...65536) -> [Int] {
            let values = file.integers(key, count: Self.baseline.count, in: range, default: fallback)
            return values.isEmpty ? fallback : values
        }
        let (kernels, strides) = (list("kernel_sizes", Self.baseline.map(\.1), in: 1...31), list("strides", Self.baseline.map(\.2), in: 1...2))
        let repeats = list("num_block_repeats", Self.baseline.map(\.0), in: 1...256)
        let expansions = list("expand_ratios", Self.baseline.map(\.3), in: 1...64)
        let (entering, leaving) = (list("in_channels", [32] + Self.baseline.dropLast().map(\.4)), list("out_channels", Self.baseline.map(\.4)))
        if Array(entering.dropFirst()) != Array(leaving.dropLast()) {
            file.problem("in_channels", "of a stage are not the out_channels of the one before")
        }
        if entering[0] != 32 { file.problem("in_channels", "begins with \(entering[0]), but 32 leave the first convolution") }
        stemChannels = scaled(32)
        stages = Self.baseline.indices.map { stage in
            Stage(
                repeats: Int((Double(repeats[stage]) * depth).rounded(.up)), kernel: kernels[stage], stride: strides[stage],
                expansion: expansions[stage], channels: scaled(leaving[stage]))
        }
        headChannels = scaled(1280)
        let hidden = file.integer("hidden_dim", in: 1...1_000_000, default: 2560)
        if hidden != headChannels { file.problem("hidden_dim", "is \(hidden); a width_coefficient of \(width) makes it \(headChannels)") }
        squeezeRatio = file.real("squeeze_expansion_ratio", in: 0.001...16, default: 0.25)
        activation = file.activation("hidden_act", default: "swish")
        symmetricBlocks = file.integers("depthwise_padding", in: 0...100_000, default: [])
        let pooling = file.text("pooling_type", default: "mean")
        if pooling != "mean" { file.problem("pooling_type", "is '\(pooling)'; only 'mean' is implemented") }
    }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("stages", [stages.count], in: 1...64)
        sizes.check("channels", [stemChannels, headChannels] + stages.map(\.channels), in: 1...16384)
        sizes.check("repeats", stages.map(\.repeats), in: 1...256)
        sizes.check("kernels", stages.map(\.kernel), in: 1...31)
        sizes.expect(stages.allSatisfy { !$0.kernel.isMultiple(of: 2) }, "a kernel of an even size has no middle")
        sizes.check("strides", stages.map(\.stride), in: 1...4)
        sizes.check("expansions", stages.map(\.expansion), in: 1...64)
        sizes.expect((0...16).contains(squeezeRatio), "squeeze ratio \(squeezeRatio) is outside 0...16")
        sizes.check("pictures", [pictureSize, pictureEdge], in: 1...65536)
        sizes.expect(pictureEdge >= pictureSize, "pictures of \(pictureSize) cannot be cut out of \(pictureEdge) pixels")
        sizes.check("classes", [classCount], in: 0...10_000_000)
        return sizes.problems
    }

    public var dialects: [Dialect] {
        let blocks = blocks
        let torchvision = MobileNames.counted(blocks, headIndex: stages.count + 1) { _, plan in
            "features.\(plan.stage + 1).\(plan.index)"
        }
        let huggingFace = MobileNames(
            stem: ("embeddings.convolution", "embeddings.batchnorm"),
            blocks: blocks.indices.map { index in
                MobileNames.Block(
                    path: "encoder.blocks.\(index)", expansion: ("expansion.expand_conv", "expansion.expand_bn"),
                    depthwise: ("depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm"),
                    projection: ("projection.project_conv", "projection.project_bn"),
                    squeeze: ("squeeze_excite.reduce", "squeeze_excite.expand"))
            },
            head: ("encoder.top_conv", "encoder.top_bn"), classifier: "classifier")
        return [
            Dialect("efficientnet_pytorch"),
            Dialect("torchvision", rules: torchvision.rules(to: names, blocks)),
            Dialect("timm", rules: MobileNames.timm(blocks).rules(to: names, blocks)),
            Dialect("transformers", prefixes: ["efficientnet."], rules: huggingFace.rules(to: names, blocks)),
        ]
    }

    /// Lite as TensorFlow's release has it: (x - 127) / 128. The others as torchvision.
    public var preprocessing: Preprocessing? {
        isLite
            ? Preprocessing(
                resize: .shortestEdge(pictureEdge), crop: PixelSize(pictureSize), interpolation: .bicubic,
                mean: [127, 127, 127].map { $0 / 255 }, deviation: [128, 128, 128].map { $0 / 255 })
            : Preprocessing(
                resize: .shortestEdge(pictureEdge), crop: PixelSize(pictureSize), interpolation: .bicubic)
    }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["_fc.weight"]?.first ?? 0
        return fitted
    }
}
