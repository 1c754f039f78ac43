import PandoNN
import PandoTensor

/// The sizes of an EfficientNet, or of an EfficientNet-Lite, which has no gates and rectifiers for swish.
///
/// - Source: Tan and Le 2019 (arXiv:1905.11946), table 1 and section 3; the Lite changes are those of TensorFlow's
///   own release.
public struct EfficientNetConfiguration: Sendable, Hashable, Codable {
    /// Blocks of one kind, one after another.
    public struct Stage: Sendable, Hashable, Codable {
        public var repeats, kernel: Int
        /// Of the first block.
        public var stride: Int
        public var expansion, channels: Int
    }

    public var stemChannels: Int
    public var stages: [Stage]
    public var headChannels: Int
    /// Channels within a gate, as a share of what enters the block; 0 without gates.
    public var squeezeRatio: Double
    public var activation: NamedActivation
    public var framing: MobileFraming
    /// Blocks, counted through, that are framed symmetrically whatever `framing` says.
    public var symmetricBlocks: [Int] = []
    public var epsilon: Float
    /// Pixels along each side of the pictures of pretraining; any other size goes, too.
    public var pictureSize: Int
    /// The shorter side of a picture before that is cut out.
    public var pictureEdge: Int
    /// Classes of the last layer; 0 without one.
    public var classCount = 1000

    /// Repeats, kernel, first stride, expansion and output channels of each stage of B0.
    static let baseline = [
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    ]

    /// EfficientNet B0 with other widths and depths.
    public init(
        width: Double, depth: Double, pictureSize: Int, edge: Int, framing: MobileFraming = .symmetric, epsilon: Float = 1e-5
    ) {
        stemChannels = roundedChannels(32 * width)
        stages = Self.baseline.map { repeats, kernel, stride, expansion, channels in
            Stage(
                repeats: Int((Double(repeats) * depth).rounded(.up)), kernel: kernel, stride: stride, expansion: expansion,
                channels: roundedChannels(Double(channels) * width))
        }
        headChannels = roundedChannels(1280 * width)
        squeezeRatio = 0.25
        activation = .silu
        (self.framing, self.epsilon, self.pictureSize, pictureEdge) = (framing, epsilon, pictureSize, edge)
    }

    /// EfficientNet-Lite0 with other widths and depths; the first and the last convolution stay, and the depth of the
    /// first and the last stage.
    public init(
        liteWidth width: Double, depth: Double, pictureSize: Int, framing: MobileFraming = .same, epsilon: Float = 1e-3
    ) {
        self.init(
            width: width, depth: depth, pictureSize: pictureSize, edge: pictureSize + 32, framing: framing, epsilon: epsilon)
        (stemChannels, headChannels) = (32, 1280)
        for stage in [0, stages.count - 1] { stages[stage].repeats = Self.baseline[stage].0 }
        (squeezeRatio, activation) = (0, .relu6)
    }

    /// Whether this is one of the Lite networks.
    var isLite: Bool { squeezeRatio == 0 }

    var blocks: [MobileBlock.Plan] {
        var blocks: [MobileBlock.Plan] = []
        var channels = stemChannels
        for (number, stage) in stages.enumerated() {
            for index in 0..<stage.repeats {
                let stride = index == 0 ? stage.stride : 1
                let framing = symmetricBlocks.contains(blocks.count) ? .symmetric : framing
                blocks.append(
                    MobileBlock.Plan(
                        stage: number, index: index, inChannels: channels, width: channels * stage.expansion,
                        outChannels: stage.channels, kernel: stage.kernel, stride: stride, expands: stage.expansion != 1,
                        squeeze: isLite ? 0 : max(1, Int(Double(channels) * squeezeRatio)),
                        frame: framing.frame(kernel: stage.kernel, stride: stride), activation: activation.function,
                        // Hugging Face's adds nothing in the first block of a stage.
                        addsInput: stride == 1 && channels == stage.channels && (index > 0 || self.framing != .evenSame)))
                channels = stage.channels
            }
        }
        return blocks
    }

    /// The names of `efficientnet_pytorch`.
    var names: MobileNames {
        MobileNames(
            stem: ("_conv_stem", "_bn0"),
            blocks: blocks.indices.map { index in
                MobileNames.Block(
                    path: "_blocks.\(index)", expansion: ("_expand_conv", "_bn0"), depthwise: ("_depthwise_conv", "_bn1"),
                    projection: ("_project_conv", "_bn2"), squeeze: ("_se_reduce", "_se_expand"))
            },
            head: ("_conv_head", "_bn1"), classifier: "_fc")
    }

    public func makeNetwork() -> MobileNetwork {
        MobileNetwork(
            MobileNetwork.Plan(
                stemChannels: stemChannels,
                stemFrame: framing == .evenSame ? .uneven(before: 0, after: 1) : framing.frame(kernel: 3, stride: 2),
                blocks: blocks, headChannels: headChannels, classCount: classCount, activation: activation.function,
                gate: (activation.function, .sigmoid), epsilon: epsilon, names: names, ends: ("stem", "head")))
    }
}
