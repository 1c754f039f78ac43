import PandoNN
import PandoTensor

/// The sizes of a vision transformer.
public struct VisionTransformerConfiguration: Sendable, Hashable, Codable {
    /// Pixels along each side of a picture.
    public var pictureSize: Int
    public var patchSize: Int
    public var hiddenSize: Int
    public var layerCount: Int
    public var headCount: Int

    /// Classes of the last layer; 0 without one.
    public var classCount: Int

    public init(
        pictureSize: Int = 224, patchSize: Int = 16, hiddenSize: Int, layerCount: Int = 12, headCount: Int,
        classCount: Int = 1000
    ) {
        self.pictureSize = pictureSize
        self.patchSize = patchSize
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.classCount = classCount
    }

    public static let tiny = VisionTransformerConfiguration(hiddenSize: 192, headCount: 3)
    public static let small = VisionTransformerConfiguration(hiddenSize: 384, headCount: 6)
    public static let base = VisionTransformerConfiguration(hiddenSize: 768, headCount: 12)
}

/// A vision transformer, in timm's form and under its names.
///
/// - Shapes: `[N, S, S, 3]` → pooled `[N, C]`, the class token; taps `blocks.0` to `blocks.11` of `[N, 1 + patches, C]`.
/// - Source: Dosovitskiy et al. 2021 (arXiv:2010.11929), equations 1 to 4; pre-norm, exact GELU.
public struct VisionTransformer: ImageBackbone {
    var classToken: Tensor
    var positions: Tensor
    var patches: Convolution2D
    var blocks: [TransformerBlock]
    var norm: LayerNorm
    var classifier: Linear?
    public let configuration: VisionTransformerConfiguration

    /// The network with weights of the right shapes, to be loaded or initialised.
    /// - Precondition: the patch size divides the picture size, the head count the hidden size.
    public init(_ configuration: VisionTransformerConfiguration) {
        let (size, patch) = (configuration.hiddenSize, configuration.patchSize)
        require(
            configuration.pictureSize % patch == 0 && size % configuration.headCount == 0,
            "VisionTransformer: patches of \(patch) do not tile \(configuration.pictureSize) pixels, or \(configuration.headCount) heads do not divide \(size)"
        )
        let side = configuration.pictureSize / patch
        classToken = .zeros([1, 1, size])
        positions = .zeros([1, 1 + side * side, size])
        patches = Convolution2D(3, size, kernel: patch, stride: patch, frame: .fixed(0), bias: true)
        blocks = (0..<configuration.layerCount).map { _ in
            TransformerBlock(features: size, headCount: configuration.headCount)
        }
        norm = LayerNorm(size, epsilon: 1e-6)
        classifier = .classifier(size, classes: configuration.classCount)
        self.configuration = configuration
    }

    public var pooledFeatures: Int { configuration.hiddenSize }
    public var pictureSize: Int? { configuration.pictureSize }

    public var taps: [Tap] {
        blocks.indices.map {
            Tap(name: "blocks.\($0)", depth: $0 + 1, channels: configuration.hiddenSize, kind: .tokens)
        }
    }

    public func features(of pictures: Tensor, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        requireTaps(names)
        require(
            pictures.shape.dropFirst() == [configuration.pictureSize, configuration.pictureSize, 3],
            "VisionTransformer: made for pictures of \(configuration.pictureSize) pixels, got \(pictures.shape)")
        let (count, size) = (pictures.shape[0], configuration.hiddenSize)
        let embedded = patches(pictures).reshaped(count, -1, size)
        let first = classToken.cast(to: embedded.elementType).broadcast(to: [count, 1, size])
        var x = Tensor.concatenated([first, embedded], along: 1) + positions.cast(to: embedded.elementType)
        var taps: [Tap.Name: Tensor] = [:]
        for (index, block) in blocks.enumerated() {
            x = block(x)
            if names.contains("blocks.\(index)") { taps["blocks.\(index)"] = x }
        }
        let classTokens = x.slice(0..<1, along: 1).reshaped(count, size)
        return Features(taps: taps, pooled: norm(classTokens))
    }

    public func logits(_ pooled: Tensor) -> Tensor? { classifier?(pooled) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("cls_token", &classToken)
        visitor.parameter("pos_embed", &positions)
        visitor.module("patch_embed.proj", &patches)
        visitor.modules("blocks", &blocks)
        visitor.module("norm", &norm)
        visitor.module("head", &classifier)
    }
}

/// One encoder block: self-attention and a two-layer perceptron, each of the normalised input and added to it.
struct TransformerBlock: Module {
    var attentionNorm: LayerNorm
    /// Query, key and value in one.
    var projections: Linear
    var attentionOutput: Linear
    var perceptronNorm: LayerNorm
    var expansion, contraction: Linear
    let headCount: Int

    init(features: Int, headCount: Int) {
        func linear(_ inFeatures: Int, _ outFeatures: Int) -> Linear {
            Linear(weight: .zeros([outFeatures, inFeatures]), bias: .zeros([outFeatures]))
        }
        attentionNorm = LayerNorm(features, epsilon: 1e-6)
        projections = linear(features, 3 * features)
        attentionOutput = linear(features, features)
        perceptronNorm = LayerNorm(features, epsilon: 1e-6)
        (expansion, contraction) = (linear(features, 4 * features), linear(4 * features, features))
        self.headCount = headCount
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let (count, length, features) = (x.shape[0], x.shape[1], x.shape[2])
        let projected = projections(attentionNorm(x)).reshaped(count, length, 3, headCount, features / headCount)
        func heads(_ index: Int) -> Tensor {  // [N, T, 3, heads, D] → [N, heads, T, D]
            projected.slice(index..<index + 1, along: 2).reshaped(count, length, headCount, -1).permuted(0, 2, 1, 3)
        }
        let mixed = attention(query: heads(0), key: heads(1), value: heads(2))
        let attended = attentionOutput(mixed.permuted(0, 2, 1, 3).reshaped(x.shape)) + x
        return contraction(expansion(perceptronNorm(attended)).gelu()) + attended
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm1", &attentionNorm)
        visitor.enter("attn")
        visitor.module("qkv", &projections)
        visitor.module("proj", &attentionOutput)
        visitor.leave()
        visitor.module("norm2", &perceptronNorm)
        visitor.enter("mlp")
        visitor.module("fc1", &expansion)
        visitor.module("fc2", &contraction)
        visitor.leave()
    }
}
