import PandoNN
import PandoTensor

/// The depths and widths of a residual network.
public struct ResNetConfiguration: Sendable, Hashable, Codable {
    /// Channels of the first convolution.
    public var stemChannels = 64
    /// Channels that leave each stage.
    public var widths: [Int]
    /// Blocks in each stage.
    public var blocks: [Int]
    /// Whether a block narrows to a quarter of its width between two point-wise convolutions.
    public var isBottleneck: Bool
    /// Whether the first stage, too, halves the map.
    public var stridesFirstStage = false
    /// Whether a bottleneck strides at its first convolution instead of its second, as the paper has it.
    public var stridesFirstConvolution = false
    /// Of the first convolution and after each sum; within a block it is a rectifier, whatever this is.
    public var activation = NamedActivation.relu
    /// Classes of the last layer; 0 without one.
    public var classCount = 1000

    public init(widths: [Int], blocks: [Int], isBottleneck: Bool) {
        (self.widths, self.blocks, self.isBottleneck) = (widths, blocks, isBottleneck)
    }

    /// The paper's widths.
    public init(blocks: [Int], isBottleneck: Bool) {
        self.init(widths: [64, 128, 256, 512].map { isBottleneck ? 4 * $0 : $0 }, blocks: blocks, isBottleneck: isBottleneck)
    }

    public static let resNet18 = ResNetConfiguration(blocks: [2, 2, 2, 2], isBottleneck: false)
    public static let resNet26 = ResNetConfiguration(blocks: [2, 2, 2, 2], isBottleneck: true)
    public static let resNet34 = ResNetConfiguration(blocks: [3, 4, 6, 3], isBottleneck: false)
    public static let resNet50 = ResNetConfiguration(blocks: [3, 4, 6, 3], isBottleneck: true)
    public static let resNet101 = ResNetConfiguration(blocks: [3, 4, 23, 3], isBottleneck: true)
    public static let resNet152 = ResNetConfiguration(blocks: [3, 8, 36, 3], isBottleneck: true)
}

/// A residual network for pictures, in torchvision's form and under its names.
///
/// - Shapes: `[N, H, W, 3]` → pooled `[N, C]` with `C` 512, or 2048 with bottlenecks; taps `layer1.0` to `layer4.n`.
/// - Source: He et al. 2016 (arXiv:1512.03385), table 1. As in torchvision ("v1.5"), a bottleneck's stride stands at
///   its 3 × 3 convolution unless the configuration says otherwise.
public struct ResNet: ImageBackbone, BlockwiseBackbone {
    var stem: ConvolutionBlock
    var stages: [[ResidualBlock]]
    var classifier: Linear?
    private let channels: Int

    /// The network with weights of the right shapes, to be loaded or initialised.
    public init(_ configuration: ResNetConfiguration) {
        let activation = configuration.activation.function
        stem = ConvolutionBlock(
            3, configuration.stemChannels, kernel: 7, stride: 2, activation: activation, names: ("conv1", "bn1"))
        stages = []
        var channels = configuration.stemChannels
        for (stage, count) in configuration.blocks.enumerated() {
            let strides = stage > 0 || configuration.stridesFirstStage
            stages.append(
                (0..<count).map { index in
                    defer { channels = configuration.widths[stage] }
                    return ResidualBlock(
                        channels, configuration.widths[stage], stride: strides && index == 0 ? 2 : 1, configuration)
                })
        }
        classifier = .classifier(channels, classes: configuration.classCount)
        self.channels = channels
    }

    public var pooledFeatures: Int { channels }

    public var taps: [Tap] {
        var taps: [Tap] = []
        var stride = 4
        for (stage, blocks) in stages.enumerated() {
            for (index, block) in blocks.enumerated() {
                stride *= block.stride
                taps.append(
                    Tap(
                        name: "layer\(stage + 1).\(index)", depth: taps.count + 1, channels: block.outChannels,
                        kind: .map(stride: stride)))
            }
        }
        return taps
    }

    public func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor {
        stem(input.pictures(for: self), during: pass)
            .maxPooled(kernel: [3, 3], stride: [2, 2], padding: Padding(1))
    }

    public func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        let (stage, inner) = stages.map(\.count).place(of: index)
        return stages[stage][inner](state, during: pass)
    }

    public func pooled(_ last: Tensor, mask: Tensor?) -> Tensor { last.mean(along: [1, 2]) }

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
    let activation: Activation
    /// Whether the block adds nothing to what it is given, to save its cost.
    var isLeftOut = false

    var outChannels: Int { convolutions[convolutions.count - 1].convolution.weight.shape[0] }
    var stride: Int { convolutions.reduce(1) { $0 * $1.convolution.stride } }

    init(_ inChannels: Int, _ outChannels: Int, stride: Int, _ configuration: ResNetConfiguration) {
        let width = configuration.isBottleneck ? outChannels / 4 : outChannels
        let kernels = configuration.isBottleneck ? [1, 3, 1] : [3, 3]
        let strided = configuration.isBottleneck && !configuration.stridesFirstConvolution ? 1 : 0
        let last = kernels.count - 1
        convolutions = kernels.enumerated().map { index, kernel in
            ConvolutionBlock(
                index == 0 ? inChannels : width, index == last ? outChannels : width, kernel: kernel,
                stride: index == strided ? stride : 1, activation: index == last ? nil : .relu,
                names: ("conv\(index + 1)", "bn\(index + 1)"))
        }
        if stride != 1 || inChannels != outChannels {
            downsample = ConvolutionBlock(
                inChannels, outChannels, kernel: 1, stride: stride, activation: nil,
                names: ("downsample.0", "downsample.1"))
        }
        activation = configuration.activation.function
    }

    func callAsFunction(_ x: Tensor, during pass: TrainingPass?) -> Tensor {
        if isLeftOut { return x.applying(activation) }
        let shortcut = downsample?(x, during: pass) ?? x
        let residual = convolutions.reduce(x) { $1($0, during: pass) }
        return (residual + shortcut).applying(activation)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        for index in convolutions.indices { convolutions[index].visit(&visitor) }
        if var present = downsample {
            present.visit(&visitor)
            downsample = present
        }
    }
}
