import PandoNN
import PandoTensor

/// The sizes of a ConvNeXt, first or second version.
public struct ConvNeXtConfiguration: Sendable, Hashable, Codable {
    /// Pixels along each side of a patch of the first layer.
    public var patchSize = 4
    /// Channels of each stage.
    public var widths: [Int]
    /// Blocks of each stage.
    public var depths: [Int]
    /// Whether blocks normalise responses over the map, as the second version does, instead of scaling their result.
    public var normalizesResponses = false
    /// Whether a learnt factor for each channel scales what a block adds.
    public var hasLayerScale: Bool
    public var activation = NamedActivation.gelu
    /// Of the norm after pooling; all others have 1e-6.
    public var epsilon: Float = 1e-6
    /// Classes of the last layer; 0 without one.
    public var classCount = 1000

    public init(widths: [Int], depths: [Int], normalizesResponses: Bool = false) {
        (self.widths, self.depths, self.normalizesResponses) = (widths, depths, normalizesResponses)
        hasLayerScale = !normalizesResponses
    }

    /// Stages whose widths double.
    init(_ width: Int, _ depths: [Int], normalizesResponses: Bool = false) {
        self.init(widths: (0..<4).map { width << $0 }, depths: depths, normalizesResponses: normalizesResponses)
    }
}

/// A ConvNeXt for pictures, in timm's form and under its names.
///
/// - Shapes: `[N, H, W, 3]` → pooled `[N, C]`, the normalised mean over the last map; taps `stages.0.blocks.0` to
///   `stages.3.blocks.n`.
/// - Source: Liu et al. 2022 (arXiv:2201.03545), section 2 and figure 4; version 2: Woo et al. 2023 (arXiv:2301.00808),
///   algorithm 1.
public struct ConvNeXt: ImageBackbone, BlockwiseBackbone {
    var stem: Convolution2D
    var stemNorm: LayerNorm
    var stages: [ConvNeXtStage]
    var norm: LayerNorm
    var classifier: Linear?

    /// The network with weights of the right shapes, to be loaded or initialised.
    public init(_ configuration: ConvNeXtConfiguration) {
        let (widths, patch) = (configuration.widths, configuration.patchSize)
        stem = Convolution2D(3, widths[0], kernel: patch, stride: patch, frame: .fixed(0), bias: true)
        stemNorm = LayerNorm(widths[0], epsilon: 1e-6)
        stages = widths.indices.map { ConvNeXtStage($0, configuration) }
        norm = LayerNorm(widths[widths.count - 1], epsilon: configuration.epsilon)
        classifier = .classifier(widths[widths.count - 1], classes: configuration.classCount)
    }

    public var pooledFeatures: Int { norm.weight.elementCount }

    public var taps: [Tap] {
        var taps: [Tap] = []
        for (stage, blocks) in stages.map(\.blocks).enumerated() {
            for (index, block) in blocks.enumerated() {
                taps.append(
                    Tap(
                        name: "stages.\(stage).blocks.\(index)", depth: taps.count + 1,
                        channels: block.norm.weight.elementCount, kind: .map(stride: stem.stride << stage)))
            }
        }
        return taps
    }

    public func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor {
        stemNorm(stem(input.pictures(for: self)))
    }

    /// The first block of a stage has before it what halves the map.
    public func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        let (number, inner) = stages.map(\.blocks.count).place(of: index)
        let stage = stages[number]
        return stage.blocks[inner](inner == 0 ? stage.downsampled(state) : state)
    }

    public func pooled(_ last: Tensor, mask: Tensor?) -> Tensor { norm(last.mean(along: [1, 2])) }

    public func logits(_ pooled: Tensor) -> Tensor? { classifier?(pooled) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("stem.0", &stem)
        visitor.module("stem.1", &stemNorm)
        visitor.modules("stages", &stages)
        visitor.module("head.norm", &norm)
        visitor.module("head.fc", &classifier)
    }
}

/// The blocks of one width, and what halves the map before them.
struct ConvNeXtStage: Module {
    var downsampleNorm: LayerNorm?
    var downsample: Convolution2D?
    var blocks: [ConvNeXtBlock]

    init(_ stage: Int, _ configuration: ConvNeXtConfiguration) {
        let width = configuration.widths[stage]
        if stage > 0 {
            let before = configuration.widths[stage - 1]
            downsampleNorm = LayerNorm(before, epsilon: 1e-6)
            downsample = Convolution2D(before, width, kernel: 2, stride: 2, frame: .fixed(0), bias: true)
        }
        blocks = (0..<configuration.depths[stage]).map { _ in ConvNeXtBlock(width, configuration) }
    }

    func downsampled(_ x: Tensor) -> Tensor {
        guard let downsampleNorm, let downsample else { return x }
        return downsample(downsampleNorm(x))
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("downsample.0", &downsampleNorm)
        visitor.module("downsample.1", &downsample)
        visitor.modules("blocks", &blocks)
    }
}

/// A depthwise convolution of 7 × 7, a norm, and a perceptron of two layers, added to the input.
struct ConvNeXtBlock: Module {
    var depthwise: Convolution2D
    var norm: LayerNorm
    var expansion: Linear
    var responseNorm: ResponseNorm?
    var contraction: Linear
    var scale: Tensor?
    let activation: Activation

    init(_ width: Int, _ configuration: ConvNeXtConfiguration) {
        depthwise = Convolution2D(width, width, kernel: 7, groups: width, bias: true)
        norm = LayerNorm(width, epsilon: 1e-6)
        (expansion, contraction) = (.blank(width, 4 * width), .blank(4 * width, width))
        if configuration.normalizesResponses { responseNorm = ResponseNorm(4 * width) }
        if configuration.hasLayerScale { scale = .ones([width]) }
        activation = configuration.activation.function
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let expanded = expansion(norm(depthwise(x))).applying(activation)
        let inner = responseNorm?(expanded) ?? expanded
        guard let scale else { return contraction(inner) + x }
        guard contraction.adapter == nil else { return contraction(inner) * scale.cast(to: x.elementType) + x }
        // The factors go into the weights, so that the sum can be folded into the product.
        let scaled = Linear(
            weight: contraction.weight * scale.reshaped(-1, 1), bias: contraction.bias.map { $0 * scale })
        return scaled(inner) + x
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("gamma", &scale)
        visitor.module("conv_dw", &depthwise)
        visitor.module("norm", &norm)
        visitor.enter("mlp")
        visitor.module("fc1", &expansion)
        visitor.module("grn", &responseNorm)
        visitor.module("fc2", &contraction)
        visitor.leave()
    }
}

/// Scales each channel by its share of the response of all channels, over the whole map.
///
/// `x · (weight · n + 1) + bias`, where `n` is the norm of a channel over the map, divided by the mean of all norms.
/// - Shapes: `[N, H, W, C]` → the same.
/// - Source: Woo et al. 2023 (arXiv:2301.00808), algorithm 1.
struct ResponseNorm: Module {
    var weight, bias: Tensor

    init(_ channels: Int) { (weight, bias) = (.zeros([channels]), .zeros([channels])) }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let norms = (x * x).cast(to: .float32).sum(along: [1, 2], keepingAxes: true).squareRoot()  // [N, 1, 1, C]
        let shares = norms / (norms.mean(along: [3], keepingAxes: true) + 1e-6)
        return x * (shares * weight + 1).cast(to: x.elementType) + bias.cast(to: x.elementType)
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("weight", &weight)
        visitor.parameter("bias", &bias)
    }
}
