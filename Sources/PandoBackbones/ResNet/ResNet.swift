import PandoNN
import PandoTensor

/// The depths and widths of a residual network.
public struct ResNetConfiguration: Sendable, Hashable, Codable {
    /// Blocks in each of the four stages.
    public var blocks: [Int]
    /// Whether a block narrows to a quarter of its width between two point-wise convolutions.
    public var isBottleneck: Bool
    /// Classes of the last layer; 0 without one.
    public var classCount: Int

    public init(blocks: [Int], isBottleneck: Bool, classCount: Int = 1000) {
        self.blocks = blocks
        self.isBottleneck = isBottleneck
        self.classCount = classCount
    }

    public static let resNet18 = ResNetConfiguration(blocks: [2, 2, 2, 2], isBottleneck: false)
    public static let resNet34 = ResNetConfiguration(blocks: [3, 4, 6, 3], isBottleneck: false)
    public static let resNet50 = ResNetConfiguration(blocks: [3, 4, 6, 3], isBottleneck: true)
    public static let resNet101 = ResNetConfiguration(blocks: [3, 4, 23, 3], isBottleneck: true)
    public static let resNet152 = ResNetConfiguration(blocks: [3, 8, 36, 3], isBottleneck: true)
}

/// A residual network for pictures, in torchvision's form and under its names.
///
/// - Shapes: `[N, H, W, 3]` → pooled `[N, 512]`, or `[N, 2048]` with bottlenecks; taps `layer1.0` to `layer4.n`.
/// - Source: He et al. 2016 (arXiv:1512.03385), table 1. As in torchvision ("v1.5"), a bottleneck's stride stands at
///   its 3 × 3 convolution.
public struct ResNet: ImageBackbone {
    var stem: ConvolutionBlock
    var stages: [[ResidualBlock]]
    var classifier: Linear?
    private let channels: Int

    /// The network with weights of the right shapes, to be loaded or initialised.
    public init(_ configuration: ResNetConfiguration) {
        stem = ConvolutionBlock(3, 64, kernel: 7, stride: 2, activation: .relu, names: ("conv1", "bn1"))
        stages = []
        var channels = 64
        for (stage, count) in configuration.blocks.enumerated() {
            let width = 64 << stage
            var blocks: [ResidualBlock] = []
            for index in 0..<count {
                let stride = index == 0 && stage > 0 ? 2 : 1
                blocks.append(
                    ResidualBlock(channels, width: width, stride: stride, isBottleneck: configuration.isBottleneck))
                channels = blocks[index].outChannels
            }
            stages.append(blocks)
        }
        classifier = .classifier(channels, classes: configuration.classCount)
        self.channels = channels
    }

    public var pooledFeatures: Int { channels }

    public var taps: [Tap] {
        var taps: [Tap] = []
        for (stage, blocks) in stages.enumerated() {
            for (index, block) in blocks.enumerated() {
                taps.append(
                    Tap(
                        name: "layer\(stage + 1).\(index)", depth: taps.count + 1, channels: block.outChannels,
                        kind: .map(stride: 4 << stage)))
            }
        }
        return taps
    }

    public func features(of pictures: Tensor, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        requireTaps(names)
        var taps: [Tap.Name: Tensor] = [:]
        var x = stem(pictures, during: pass).maxPooled(kernel: [3, 3], stride: [2, 2], padding: Padding(1))
        for (stage, blocks) in stages.enumerated() {
            for (index, block) in blocks.enumerated() {
                x = block(x, during: pass)
                let name = "layer\(stage + 1).\(index)"
                if names.contains(name) { taps[name] = x }
            }
        }
        return Features(taps: taps, pooled: x.mean(along: [1, 2]))
    }

    public func logits(_ pooled: Tensor) -> Tensor? { classifier?(pooled) }

    public mutating func visit(_ visitor: inout some Visitor) {
        stem.visit(&visitor)
        for stage in stages.indices { visitor.modules("layer\(stage + 1)", &stages[stage]) }
        visitor.module("fc", &classifier)
    }
}

/// Two 3 × 3 convolutions, or a 3 × 3 between two point-wise ones, added to the input.
///
/// - Source: He et al. 2016, figure 5.
struct ResidualBlock: Module {
    var convolutions: [ConvolutionBlock]
    /// Brings the input to the output's shape where they differ.
    var downsample: ConvolutionBlock?

    var outChannels: Int { convolutions[convolutions.count - 1].convolution.weight.shape[0] }

    init(_ inChannels: Int, width: Int, stride: Int, isBottleneck: Bool) {
        func block(_ position: Int, _ inChannels: Int, _ outChannels: Int, _ kernel: Int, _ stride: Int = 1, last: Bool)
            -> ConvolutionBlock
        {
            ConvolutionBlock(
                inChannels, outChannels, kernel: kernel, stride: stride, activation: last ? nil : .relu,
                names: ("conv\(position)", "bn\(position)"))
        }
        let outChannels = isBottleneck ? width * 4 : width
        convolutions = isBottleneck
            ? [
                block(1, inChannels, width, 1, last: false), block(2, width, width, 3, stride, last: false),
                block(3, width, outChannels, 1, last: true),
            ] : [block(1, inChannels, width, 3, stride, last: false), block(2, width, width, 3, last: true)]
        if stride != 1 || inChannels != outChannels {
            downsample = ConvolutionBlock(
                inChannels, outChannels, kernel: 1, stride: stride, activation: nil,
                names: ("downsample.0", "downsample.1"))
        }
    }

    func callAsFunction(_ x: Tensor, during pass: TrainingPass?) -> Tensor {
        let shortcut = downsample?(x, during: pass) ?? x
        let residual = convolutions.reduce(x) { $1($0, during: pass) }
        return (residual + shortcut).relu()
    }

    mutating func visit(_ visitor: inout some Visitor) {
        for index in convolutions.indices { convolutions[index].visit(&visitor) }
        if var present = downsample {
            present.visit(&visitor)
            downsample = present
        }
    }
}
