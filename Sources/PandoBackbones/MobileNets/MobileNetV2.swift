import PandoNN
import PandoTensor

/// The sizes of a MobileNetV2.
///
/// - Source: Sandler et al. 2018 (arXiv:1801.04381), table 2.
public struct MobileNetV2Configuration: Sendable, Hashable, Codable {
    public var stemChannels = 32
    /// Channels that leave each of the seven stages.
    public var widths = [16, 24, 32, 64, 96, 160, 320]
    /// Blocks of each stage.
    public var repeats = [1, 2, 3, 4, 3, 3, 1]
    public var headChannels = 1280
    /// How many times wider a block is inside, before it is rounded to a multiple of `divisor`.
    public var expansion: Float = 6
    public var divisor = 8
    /// The fewest channels a rounded width may have.
    public var minimumChannels = 8
    /// Whether the first block, too, has a point-wise convolution before its depthwise one.
    public var expandsFirst = false
    public var activation = NamedActivation.relu6
    public var framing = MobileFraming.symmetric
    public var epsilon: Float = 1e-5
    /// Classes of the last layer; 0 without one.
    public var classCount = 1000

    public init() {}

    /// The paper's network with other widths and depths, as timm scales it.
    ///
    /// - Parameter keepsEnds: whether the first and last convolution stay as they are, and the depth of the first and
    ///   last stage.
    init(width: Double, depth: Double = 1, keepsEnds: Bool = false) {
        widths = widths.map { roundedChannels(Double($0) * width) }
        for stage in repeats.indices where !keepsEnds || (stage > 0 && stage < repeats.count - 1) {
            repeats[stage] = Int((Double(repeats[stage]) * depth).rounded(.up))
        }
        if keepsEnds { return }
        stemChannels = roundedChannels(32 * width)
        headChannels = max(1280, roundedChannels(1280 * width))
    }

    private static let strides = [1, 2, 2, 2, 1, 2, 1]

    var blocks: [MobileBlock.Plan] {
        var blocks: [MobileBlock.Plan] = []
        var channels = stemChannels
        for (stage, (outChannels, count)) in zip(widths, repeats).enumerated() {
            for index in 0..<count {
                let stride = index == 0 ? Self.strides[stage] : 1
                let isFirst = blocks.isEmpty
                let width = isFirst
                    ? channels
                    : roundedChannels((Double(channels) * Double(expansion)).rounded(.toNearestOrEven), divisor: divisor, minimum: minimumChannels)
                blocks.append(
                    MobileBlock.Plan(
                        stage: stage, index: index, inChannels: channels, width: width, outChannels: outChannels,
                        stride: stride, expands: !isFirst || expandsFirst,
                        frame: framing.frame(kernel: 3, stride: stride), activation: activation.function,
                        addsInput: !isFirst && stride == 1 && channels == outChannels))
                channels = outChannels
            }
        }
        return blocks
    }

    /// torchvision's names.
    var names: MobileNames {
        let count = repeats.reduce(0, +)
        return MobileNames(
            stem: ("features.0.0", "features.0.1"),
            blocks: blocks.enumerated().map { index, block in
                let first = block.expands ? 1 : 0
                return MobileNames.Block(
                    path: "features.\(index + 1).conv", expansion: ("0.0", "0.1"),
                    depthwise: ("\(first).0", "\(first).1"), projection: ("\(first + 1)", "\(first + 2)"),
                    squeeze: ("", ""))
            },
            head: ("features.\(count + 1).0", "features.\(count + 1).1"), classifier: "classifier.1")
    }

    public func makeNetwork() -> MobileNetwork {
        MobileNetwork(
            MobileNetwork.Plan(
                stemChannels: stemChannels, stemFrame: framing.frame(kernel: 3, stride: 2), blocks: blocks,
                headChannels: headChannels, classCount: classCount, activation: activation.function, epsilon: epsilon,
                names: names, ends: ("features.0", "features.\(repeats.reduce(0, +) + 1)"),
                tapOfPath: { String($0.dropLast(".conv".count)) }))
    }
}
