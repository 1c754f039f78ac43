import Foundation
import PandoNN
import PandoTensor

/// The sizes of a RegNet.
public struct RegNetConfiguration: Sendable, Hashable, Codable {
    public var stemChannels = 32
    /// Channels of each stage.
    public var widths: [Int]
    /// Blocks of each stage.
    public var depths: [Int]
    /// Channels that one group of the 3 × 3 convolutions sees.
    public var groupWidth: Int
    /// Whether blocks have gates: the Y networks.
    public var isGated: Bool
    /// Whether the first stage, too, halves the map.
    public var stridesFirstStage = true
    public var activation = NamedActivation.relu
    /// Classes of the last layer; 0 without one.
    public var classCount = 1000

    public init(widths: [Int], depths: [Int], groupWidth: Int, isGated: Bool) {
        (self.widths, self.depths, self.groupWidth, self.isGated) = (widths, depths, groupWidth, isGated)
    }

    /// The network of a design space's parameters.
    ///
    /// - Parameters:
    ///   - depth: blocks in all.
    ///   - first: the first width, `w0`.
    ///   - slope: how widths grow from block to block, `wa`.
    ///   - step: the factor from one width of a stage to the next, `wm`.
    ///   - guarded: whether a width is never rounded down by more than a tenth, as torchvision has it and timm has not.
    /// - Source: Radosavovic et al. 2020 (arXiv:2003.13678), equations 2 to 4.
    init(depth: Int, first: Int, slope: Double, step: Double, groupWidth: Int, isGated: Bool, guarded: Bool = false) {
        var (widths, depths): ([Int], [Int]) = ([], [])
        for block in 0..<depth {
            let continuous = Double(block) * slope + Double(first)
            let capacity = (log(continuous / Double(first)) / log(step)).rounded(.toNearestOrEven)
            let width = Int((Double(first) * pow(step, capacity) / 8).rounded(.toNearestOrEven)) * 8
            if width == widths.last {
                depths[depths.count - 1] += 1
            } else {
                widths.append(width)
                depths.append(1)
            }
        }
        let fitting = widths.map { width -> Int in
            let group = min(groupWidth, width)
            return guarded
                ? roundedChannels(Double(width), divisor: group)
                : Int((Double(width) / Double(group)).rounded(.toNearestOrEven)) * group
        }
        self.init(widths: fitting, depths: depths, groupWidth: groupWidth, isGated: isGated)
    }
}

/// A RegNet for pictures, in timm's form and under its names.
///
/// - Shapes: `[N, H, W, 3]` → pooled `[N, C]`, the mean over the last map; taps `s1.b1` to `s4.bn`.
/// - Source: Radosavovic et al. 2020 (arXiv:2003.13678), section 5.
public struct RegNet: ImageBackbone, BlockwiseBackbone {
    var stem: ConvolutionBlock
    var stages: [[RegNetBlock]]
    var classifier: Linear?
    private let channels: Int

    /// The network with weights of the right shapes, to be loaded or initialised.
    public init(_ configuration: RegNetConfiguration) {
        stem = ConvolutionBlock(
            3, configuration.stemChannels, kernel: 3, stride: 2, activation: configuration.activation.function,
            names: ("stem.conv", "stem.bn"))
        stages = []
        var channels = configuration.stemChannels
        for (stage, (width, depth)) in zip(configuration.widths, configuration.depths).enumerated() {
            let strides = stage > 0 || configuration.stridesFirstStage
            stages.append(
                (0..<depth).map { index in
                    defer { channels = width }
                    return RegNetBlock(channels, width, stride: strides && index == 0 ? 2 : 1, configuration)
                })
        }
        classifier = .classifier(channels, classes: configuration.classCount)
        self.channels = channels
    }

    public var pooledFeatures: Int { channels }

    public var taps: [Tap] {
        var taps: [Tap] = []
        var stride = 2
        for (stage, blocks) in stages.enumerated() {
            for (index, block) in blocks.enumerated() {
                stride *= block.stride
                taps.append(
                    Tap(
                        name: "s\(stage + 1).b\(index + 1)", depth: taps.count + 1, channels: block.outChannels,
                        kind: .map(stride: stride)))
            }
        }
        return taps
    }

    public func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor {
        stem(input.pictures(for: self), during: pass)
    }

    public func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        let (stage, inner) = stages.map(\.count).place(of: index)
        return stages[stage][inner](state, during: pass)
    }

    public func pooled(_ last: Tensor, mask: Tensor?) -> Tensor { last.mean(along: [1, 2]) }

    public func logits(_ pooled: Tensor) -> Tensor? { classifier?(pooled) }

    public mutating func visit(_ visitor: inout some Visitor) {
        stem.visit(&visitor)
        for stage in stages.indices {
            for index in stages[stage].indices { visitor.module("s\(stage + 1).b\(index + 1)", &stages[stage][index]) }
        }
        visitor.module("head.fc", &classifier)
    }
}

/// A grouped 3 × 3 convolution between two point-wise ones, perhaps with a gate, added to the input.
struct RegNetBlock: Module {
    var first, grouped: ConvolutionBlock
    var squeeze: SqueezeExcitation?
    var last: ConvolutionBlock
    /// Brings the input to the output's shape where they differ.
    var downsample: ConvolutionBlock?
    let activation: Activation

    var outChannels: Int { last.convolution.weight.shape[0] }
    var stride: Int { grouped.convolution.stride }

    init(_ inChannels: Int, _ width: Int, stride: Int, _ configuration: RegNetConfiguration) {
        let activation = configuration.activation.function
        first = ConvolutionBlock(
            inChannels, width, kernel: 1, activation: activation, names: ("conv1.conv", "conv1.bn"))
        grouped = ConvolutionBlock(
            width, width, kernel: 3, stride: stride, groups: max(1, width / configuration.groupWidth),
            activation: activation, names: ("conv2.conv", "conv2.bn"))
        if configuration.isGated {
            let squeezed = Int((Double(inChannels) / 4).rounded(.toNearestOrEven))
            squeeze = SqueezeExcitation(
                width, reducedTo: max(1, squeezed), activation: .relu, gate: .sigmoid, names: ("se.fc1", "se.fc2"))
        }
        last = ConvolutionBlock(width, width, kernel: 1, activation: nil, names: ("conv3.conv", "conv3.bn"))
        if stride != 1 || inChannels != width {
            downsample = ConvolutionBlock(
                inChannels, width, kernel: 1, stride: stride, activation: nil,
                names: ("downsample.conv", "downsample.bn"))
        }
        self.activation = activation
    }

    func callAsFunction(_ x: Tensor, during pass: TrainingPass?) -> Tensor {
        let shortcut = downsample?(x, during: pass) ?? x
        var inner = grouped(first(x, during: pass), during: pass)
        inner = squeeze?(inner) ?? inner
        return (last(inner, during: pass) + shortcut).applying(activation)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        first.visit(&visitor)
        grouped.visit(&visitor)
        if var present = squeeze {
            present.visit(&visitor)
            squeeze = present
        }
        last.visit(&visitor)
        if var present = downsample {
            present.visit(&visitor)
            downsample = present
        }
    }
}
