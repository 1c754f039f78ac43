import Foundation
import PandoNN
import PandoTensor

/// Brings images and texts into one space in which what belongs together is near.
///
/// A projection on each side of frozen encoders, both to length 1, taught by a symmetric contrastive loss with a
/// learned temperature.
/// - Shapes: image features `[N, F]` → `[N, P]`, text features `[N, T]` → `[N, P]`, both of length 1.
/// - Source: Radford et al. 2021, CLIP (arXiv:2103.00020) §2.3–2.4; the encoders here are frozen and not CLIP's.
public struct RetrievalHead: Head {
    public var image: Predictor
    public var text: Predictor
    /// The logarithm of the inverse temperature, `[1]`.
    public var logScale: Tensor

    /// The inverse temperature never exceeds this, as in CLIP.
    private static let largestScale: Float = 100

    public var featureCount: Int { image.featureCount }
    public var textFeatureCount: Int { text.featureCount }

    public init(image: Predictor, text: Predictor, temperature: Float = 0.07) {
        require(
            image.outputCount == text.outputCount,
            "RetrievalHead: images go to \(image.outputCount) dimensions, texts to \(text.outputCount)")
        require(temperature > 0, "RetrievalHead: temperature \(temperature) is not positive")
        self.image = image
        self.text = text
        logScale = Tensor([log(1 / temperature)])
    }

    /// The images' places.
    public func callAsFunction(_ features: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        image(features, using: &generator).l2Normalized()
    }

    /// The texts' places.
    public func embed(texts features: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        text(features, using: &generator).l2Normalized()
    }

    /// The texts' places when nothing is learned.
    public func embed(texts features: Tensor) -> Tensor {
        var none: SeededGenerator?
        return embed(texts: features, using: &none)
    }

    /// - Parameter targets: the features `[N, T]` of the texts that belong to the images.
    public func loss(_ outputs: Tensor, _ targets: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        let scale = logScale.clamped(-.infinity, log(Self.largestScale)).exp()
        return infoNCE(outputs, embed(texts: targets, using: &generator), scale: scale)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("image", &image)
        visitor.module("text", &text)
        visitor.parameter("logit_scale", &logScale)
    }
}
