import PandoNN
import PandoTensor

/// The sizes of an EfficientNet-Lite.
public struct EfficientNetLiteConfiguration: Sendable, Hashable, Codable {
    /// Classes of the last layer; 0 without one.
    public var classCount: Int

    public init(classCount: Int = 1000) { self.classCount = classCount }
}

/// EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6, padded as TensorFlow does.
///
/// - Shapes: `[N, H, W, 3]` → pooled `[N, 1280]`; taps `stem`, `_blocks.0`, …, `head`.
/// - Source: Tan and Le 2019 (arXiv:1905.11946), table 1; the Lite changes are those of TensorFlow's own release.
///   Names and weights: `efficientnet_lite_pytorch`, Apache-2.0.
public struct EfficientNetLite: ImageBackbone {
    var stem: ConvolutionBlock
    var blocks: [MobileInvertedBlock]
    var head: ConvolutionBlock
    var classifier: Linear?

    /// Repeats, kernel, first stride, expansion and output channels of each stage of Lite0.
    private static let stages = [
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    ]

    static let epsilon: Float = 1e-3

    /// EfficientNet-Lite0 with weights of the right shapes, to be loaded.
    public init(_ configuration: EfficientNetLiteConfiguration) {
        stem = ConvolutionBlock(
            3, 32, kernel: 3, stride: 2, frame: .same, epsilon: Self.epsilon, activation: .relu6,
            names: ("_conv_stem", "_bn0"))
        blocks = []
        var channels = 32
        for (repeats, kernel, stride, expansion, outChannels) in Self.stages {
            for index in 0..<repeats {
                blocks.append(
                    MobileInvertedBlock(
                        channels, outChannels, kernel: kernel, stride: index == 0 ? stride : 1, expansion: expansion))
                channels = outChannels
            }
        }
        head = ConvolutionBlock(
            channels, 1280, kernel: 1, frame: .same, epsilon: Self.epsilon, activation: .relu6,
            names: ("_conv_head", "_bn1"))
        classifier = .classifier(1280, classes: configuration.classCount)
    }

    public var pooledFeatures: Int { 1280 }

    /// The end of every stage.
    public var summaryTaps: [Tap.Name] { [2, 4, 7, 10, 14, 15].map { "_blocks.\($0)" } }

    public var taps: [Tap] {
        var taps = [Tap(name: "stem", depth: 1, channels: 32, kind: .map(stride: 2))]
        var stride = 2
        for (index, block) in blocks.enumerated() {
            stride *= block.depthwise.convolution.stride
            taps.append(
                Tap(
                    name: "_blocks.\(index)", depth: index + 2, channels: block.projection.convolution.weight.shape[0],
                    kind: .map(stride: stride)))
        }
        taps.append(Tap(name: "head", depth: blocks.count + 2, channels: 1280, kind: .map(stride: stride)))
        return taps
    }

    public func features(of pictures: Tensor, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        requireTaps(names)
        var taps: [Tap.Name: Tensor] = [:]
        func keep(_ name: Tap.Name, _ map: Tensor) {
            if names.contains(name) { taps[name] = map }
        }
        var x = stem(pictures, during: pass)
        keep("stem", x)
        for (index, block) in blocks.enumerated() {
            x = block(x, during: pass)
            keep("_blocks.\(index)", x)
        }
        x = head(x, during: pass)
        keep("head", x)
        return Features(taps: taps, pooled: x.mean(along: [1, 2]))
    }

    public func logits(_ pooled: Tensor) -> Tensor? { classifier?(pooled) }

    public mutating func visit(_ visitor: inout some Visitor) {
        stem.visit(&visitor)
        visitor.modules("_blocks", &blocks)
        head.visit(&visitor)
        visitor.module("_fc", &classifier)
    }
}

/// EfficientNet's block: expansion, depthwise convolution and projection, with the input added where it has the same
/// shape.
struct MobileInvertedBlock: Module {
    var expansion: ConvolutionBlock?
    var depthwise: ConvolutionBlock
    var projection: ConvolutionBlock
    let addsInput: Bool

    init(_ inChannels: Int, _ outChannels: Int, kernel: Int, stride: Int, expansion ratio: Int) {
        func block(
            _ inChannels: Int, _ outChannels: Int, kernel: Int = 1, stride: Int = 1, groups: Int = 1,
            _ activation: Activation?, _ names: (convolution: String, norm: String)
        ) -> ConvolutionBlock {
            ConvolutionBlock(
                inChannels, outChannels, kernel: kernel, stride: stride, groups: groups, frame: .same,
                epsilon: EfficientNetLite.epsilon, activation: activation, names: names)
        }
        let width = inChannels * ratio
        expansion = ratio == 1 ? nil : block(inChannels, width, .relu6, ("_expand_conv", "_bn0"))
        depthwise = block(
            width, width, kernel: kernel, stride: stride, groups: width, .relu6, ("_depthwise_conv", "_bn1"))
        projection = block(width, outChannels, nil, ("_project_conv", "_bn2"))
        addsInput = stride == 1 && inChannels == outChannels
    }

    func callAsFunction(_ x: Tensor, during pass: TrainingPass?) -> Tensor {
        let expanded = expansion?(x, during: pass) ?? x
        let projected = projection(depthwise(expanded, during: pass), during: pass)
        return addsInput ? projected + x : projected
    }

    mutating func visit(_ visitor: inout some Visitor) {
        if var present = expansion {
            present.visit(&visitor)
            expansion = present
        }
        depthwise.visit(&visitor)
        projection.visit(&visitor)
    }
}
