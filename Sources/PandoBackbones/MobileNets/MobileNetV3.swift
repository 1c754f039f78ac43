import PandoNN
import PandoTensor

/// The sizes of a MobileNetV3.
///
/// - Source: Howard et al. 2019 (arXiv:1905.02244), tables 1 and 2; other widths as timm scales them.
public struct MobileNetV3Configuration: Sendable, Hashable, Codable {
    /// The published row of blocks.
    public enum Size: String, Sendable, Hashable, Codable { case small, large }

    public var size: Size
    /// What the widths are multiplied with.
    public var width: Double
    public var framing: MobileFraming
    public var epsilon: Float
    /// Classes of the last layer; 0 without one.
    public var classCount = 1000

    public init(_ size: Size, width: Double = 1, framing: MobileFraming = .symmetric, epsilon: Float = 1e-3) {
        (self.size, self.width, self.framing, self.epsilon) = (size, width, framing, epsilon)
    }

    /// Stage, kernel, stride, expansion, output channels, whether there is a gate, whether it uses hard swish.
    private typealias Row = (Int, Int, Int, Double, Int, Bool, Bool)

    private static let small: [Row] = [
        (0, 3, 2, 1, 16, true, false), (1, 3, 2, 4.5, 24, false, false), (1, 3, 1, 3.67, 24, false, false),
        (2, 5, 2, 4, 40, true, true), (2, 5, 1, 6, 40, true, true), (2, 5, 1, 6, 40, true, true),
        (3, 5, 1, 3, 48, true, true), (3, 5, 1, 3, 48, true, true), (4, 5, 2, 6, 96, true, true),
        (4, 5, 1, 6, 96, true, true), (4, 5, 1, 6, 96, true, true),
    ]
    private static let large: [Row] = [
        (0, 3, 1, 1, 16, false, false), (1, 3, 2, 4, 24, false, false), (1, 3, 1, 3, 24, false, false),
        (2, 5, 2, 3, 40, true, false), (2, 5, 1, 3, 40, true, false), (2, 5, 1, 3, 40, true, false),
        (3, 3, 2, 6, 80, false, true), (3, 3, 1, 2.5, 80, false, true), (3, 3, 1, 2.3, 80, false, true),
        (3, 3, 1, 2.3, 80, false, true), (4, 3, 1, 6, 112, true, true), (4, 3, 1, 6, 112, true, true),
        (5, 5, 2, 6, 160, true, true), (5, 5, 1, 6, 160, true, true), (5, 5, 1, 6, 160, true, true),
    ]

    var stemChannels: Int { width < 0.75 ? 16 : roundedChannels(16 * width) }

    var blocks: [MobileBlock.Plan] {
        var blocks: [MobileBlock.Plan] = []
        var channels = stemChannels
        for (stage, kernel, stride, ratio, outChannels, isGated, isHardSwish) in size == .small ? Self.small : Self.large {
            let inner = ratio == 1 ? channels : roundedChannels(Double(channels) * ratio)
            let outChannels = roundedChannels(Double(outChannels) * width)
            blocks.append(
                MobileBlock.Plan(
                    stage: stage, index: blocks.count { $0.stage == stage }, inChannels: channels, width: inner,
                    outChannels: outChannels, kernel: kernel, stride: stride, expands: ratio != 1,
                    squeeze: isGated ? roundedChannels(Double(inner) / 4) : 0,
                    frame: framing.frame(kernel: kernel, stride: stride), activation: isHardSwish ? .hardSwish : .relu,
                    addsInput: stride == 1 && channels == outChannels))
            channels = outChannels
        }
        return blocks
    }

    /// torchvision's names.
    var names: MobileNames {
        let count = blocks.count
        var names = MobileNames.counted(blocks, headIndex: count + 1) { number, _ in "features.\(number + 1)" }
        names.classifier = "classifier.3"
        return names
    }

    public func makeNetwork() -> MobileNetwork {
        let blocks = blocks
        return MobileNetwork(
            MobileNetwork.Plan(
                stemChannels: stemChannels, stemFrame: framing.frame(kernel: 3, stride: 2), blocks: blocks,
                headChannels: roundedChannels((size == .small ? 576 : 960) * width),
                hiddenFeatures: size == .small ? 1024 : 1280, classCount: classCount, activation: .hardSwish,
                gate: (.relu, .hardSigmoid), epsilon: epsilon, names: names,
                ends: ("features.0", "features.\(blocks.count + 1)"),
                tapOfPath: { String($0.dropLast(".block".count)) }))
    }
}
