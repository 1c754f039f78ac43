import PandoNN
import PandoTensor

/// The sizes of a MobileNetV2.
public struct MobileNetV2Configuration: Sendable, Hashable, Codable {
    /// Classes of the last layer; 0 without one.
    public var classCount: Int

    public init(classCount: Int = 1000) { self.classCount = classCount }
}

/// MobileNetV2 for pictures, in torchvision's form and under its names.
///
/// - Shapes: `[N, H, W, 3]` → pooled `[N, 1280]`; taps `features.0` to `features.18`.
/// - Source: Sandler et al. 2018 (arXiv:1801.04381), table 2. Weights: torchvision `IMAGENET1K_V1`, BSD-3.
public struct MobileNetV2: ImageBackbone {
    var stem: ConvolutionBlock
    var blocks: [InvertedResidual]
    var head: ConvolutionBlock
    var classifier: Linear?

    /// Expansion, output channels, repeats and first stride of each stage.
    private static let stages = [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]

    /// The network with weights of the right shapes, to be loaded.
    public init(_ configuration: MobileNetV2Configuration) {
        stem = ConvolutionBlock(3, 32, kernel: 3, stride: 2, activation: .relu6, names: ("0", "1"))
        blocks = []
        var channels = 32
        for (expansion, outChannels, repeats, stride) in Self.stages {
            for index in 0..<repeats {
                blocks.append(
                    InvertedResidual(channels, outChannels, expansion: expansion, stride: index == 0 ? stride : 1))
                channels = outChannels
            }
        }
        head = ConvolutionBlock(channels, 1280, kernel: 1, activation: .relu6, names: ("0", "1"))
        classifier = .classifier(1280, classes: configuration.classCount)
    }

    public var pooledFeatures: Int { 1280 }

    /// The end of every stage.
    public var summaryTaps: [Tap.Name] { [3, 6, 10, 13, 16, 17].map { "features.\($0)" } }

    public var taps: [Tap] {
        var taps = [Tap(name: "features.0", depth: 1, channels: 32, kind: .map(stride: 2))]
        var stride = 2
        for (index, block) in blocks.enumerated() {
            stride *= block.depthwise.convolution.stride
            taps.append(
                Tap(name: "features.\(index + 1)", depth: index + 2, channels: block.outChannels, kind: .map(stride: stride)))
        }
        taps.append(
            Tap(name: "features.\(blocks.count + 1)", depth: blocks.count + 2, channels: 1280, kind: .map(stride: stride)))
        return taps
    }

    public func features(of pictures: Tensor, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        requireTaps(names)
        var taps: [Tap.Name: Tensor] = [:]
        func keep(_ index: Int, _ map: Tensor) {
            if names.contains("features.\(index)") { taps["features.\(index)"] = map }
        }
        var x = stem(pictures, during: pass)
        keep(0, x)
        for (index, block) in blocks.enumerated() {
            x = block(x, during: pass)
            keep(index + 1, x)
        }
        x = head(x, during: pass)
        keep(blocks.count + 1, x)
        return Features(taps: taps, pooled: x.mean(along: [1, 2]))
    }

    public func logits(_ pooled: Tensor) -> Tensor? { classifier?(pooled) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("features")
        visitor.module("0", &stem)
        for index in blocks.indices { visitor.module("\(index + 1)", &blocks[index]) }
        visitor.module("\(blocks.count + 1)", &head)
        visitor.leave()
        visitor.module("classifier.1", &classifier)
    }
}

/// Expansion, depthwise convolution and projection, with the input added where it has the same shape.
///
/// - Source: Sandler et al. 2018, section 3.3.
struct InvertedResidual: Module {
    var expansion: ConvolutionBlock?
    var depthwise: ConvolutionBlock
    var projection: ConvolutionBlock
    let addsInput: Bool

    var outChannels: Int { projection.convolution.weight.shape[0] }

    init(_ inChannels: Int, _ outChannels: Int, expansion ratio: Int, stride: Int) {
        let width = inChannels * ratio
        expansion = ratio == 1
            ? nil : ConvolutionBlock(inChannels, width, kernel: 1, activation: .relu6, names: ("0", "1"))
        depthwise = ConvolutionBlock(
            width, width, kernel: 3, stride: stride, groups: width, activation: .relu6, names: ("0", "1"))
        let first = ratio == 1 ? 1 : 2
        projection = ConvolutionBlock(
            width, outChannels, kernel: 1, activation: nil, names: ("\(first)", "\(first + 1)"))
        addsInput = stride == 1 && inChannels == outChannels
    }

    func callAsFunction(_ x: Tensor, during pass: TrainingPass?) -> Tensor {
        let expanded = expansion?(x, during: pass) ?? x
        let projected = projection(depthwise(expanded, during: pass), during: pass)
        return addsInput ? projected + x : projected
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.enter("conv")
        if var present = expansion {
            visitor.module("0", &present)
            expansion = present
        }
        visitor.module(expansion == nil ? "0" : "1", &depthwise)
        projection.visit(&visitor)
        visitor.leave()
    }
}
