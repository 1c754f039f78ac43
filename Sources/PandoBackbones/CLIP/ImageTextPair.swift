import PandoNN
import PandoTensor

/// The sizes of a pair of networks for pictures and texts.
public struct ImageTextPairConfiguration: Sendable, Hashable, Codable {
    public var image: VisionTransformerConfiguration
    public var text: TextTransformerConfiguration
    /// Length of the vectors that are compared, where layers of their own bring both to it; `nil` without them.
    public var projectionSize: Int?
    /// Whether similarities are shifted, as SigLIP's are.
    public var hasBias: Bool

    public init(
        image: VisionTransformerConfiguration, text: TextTransformerConfiguration, projectionSize: Int?, hasBias: Bool = false
    ) {
        self.image = image
        self.text = text
        self.projectionSize = projectionSize
        self.hasBias = hasBias
    }
}

/// CLIP or SigLIP: a network for pictures and one for texts, whose vectors are alike where picture and text belong
/// together.
///
/// - Source: Radford et al. 2021 (arXiv:2103.00020), figure 3; Zhai et al. 2023 (arXiv:2303.15343), algorithm 1.
public struct ImageTextPair: ImageTextBackbone {
    public var image: VisionTransformer
    public var text: TextTransformer
    var imageProjection, textProjection: Linear?
    /// The logarithm of the factor of similarities; one number.
    var scale: Tensor
    /// Added to similarities; one number.
    var bias: Tensor?

    /// The networks with weights of the right shapes, to be loaded or initialised.
    /// - Precondition: `configuration` has no problems.
    public init(_ configuration: ImageTextPairConfiguration) {
        image = VisionTransformer(configuration.image)
        text = TextTransformer(configuration.text)
        if let size = configuration.projectionSize {
            imageProjection = .blank(image.pooledFeatures, size, bias: false)
            textProjection = .blank(text.pooledFeatures, size, bias: false)
        }
        let shape = configuration.hasBias ? [1] : []
        scale = .zeros(shape)
        if configuration.hasBias { bias = .zeros(shape) }
    }

    public func imageVectors(_ pooled: Tensor) -> Tensor { (imageProjection?(pooled) ?? pooled).l2Normalized() }

    public func textVectors(_ pooled: Tensor) -> Tensor { (textProjection?(pooled) ?? pooled).l2Normalized() }

    public func similarities(of images: Tensor, to texts: Tensor) -> Tensor {
        let scaled = matmul(images, texts.transposed) * scale.reshaped(1).exp()
        return bias.map { scaled + $0 } ?? scaled
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("image", &image)
        visitor.module("text", &text)
        visitor.module("image_projection", &imageProjection)
        visitor.module("text_projection", &textProjection)
        visitor.parameter("logit_scale", &scale)
        visitor.parameter("logit_bias", &bias)
    }
}
