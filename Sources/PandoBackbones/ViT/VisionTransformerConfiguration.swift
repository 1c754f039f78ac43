import PandoData
import PandoNN
import PandoTensor

/// The sizes and parts of a vision transformer.
public struct VisionTransformerConfiguration: Sendable, Hashable, Codable {
    /// What stands for a picture.
    public enum Pooling: String, Sendable, Hashable, Codable {
        /// The normalised class token, `[N, C]`.
        case classToken
        /// The normalised class and distillation tokens, one after the other, `[N, 2 C]`.
        case classTokens
        /// The normalised class token and the mean of the normalised patches after it, `[N, 2 C]`.
        case classTokenAndMean
        /// The mean of the normalised patches, `[N, C]`.
        case patchMean
        /// A learned query's view of all tokens, `[N, C]`.
        case attention
    }

    /// How position embeddings are brought to another size: bicubic, as the library that the weights are from does it.
    public enum PositionResampling: String, Sendable, Hashable, Codable {
        /// timm.
        case antialiased
        /// Hugging Face.
        case plain
        /// torchvision.
        case cornersAligned
    }

    /// Pixels along each side of a picture.
    public var pictureSize = 224
    public var patchSize = 16
    public var hiddenSize: Int
    public var layerCount = 12
    public var headCount: Int
    /// Width between the two layers of a block's perceptron.
    public var intermediateSize: Int
    public var activation = NamedActivation.gelu
    /// Whether the perceptron is gated (SwiGLU).
    public var isGated = false
    public var epsilon: Float = 1e-6
    public var hasProjectionBias = true
    public var hasLayerScale = false
    public var hasClassToken = true
    public var hasDistillationToken = false
    /// Tokens beside the class token that stand for nothing (Darcet et al. 2024, arXiv:2309.16588).
    public var registerCount = 0
    /// Whether class and distillation token have position embeddings too.
    public var placesClassToken = true
    /// Whether the embedded patches are normalised before the first block; patches then have no bias, as in CLIP.
    public var normalizesEmbeddings = false
    public var pooling = Pooling.classToken
    public var resampling = PositionResampling.antialiased
    /// How pictures were fed in pretraining.
    public var pretraining = Pretraining.augReg
    /// Classes of the last layer; 0 without one.
    public var classCount = 1000

    /// - Parameter intermediateSize: four times the hidden size if not given.
    public init(
        pictureSize: Int = 224, patchSize: Int = 16, hiddenSize: Int, layerCount: Int = 12, headCount: Int,
        intermediateSize: Int? = nil, classCount: Int = 1000
    ) {
        self.pictureSize = pictureSize
        self.patchSize = patchSize
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.intermediateSize = intermediateSize ?? 4 * hiddenSize
        self.classCount = classCount
    }

    /// Patches along each side.
    var gridSize: Int { pictureSize / patchSize }

    /// Tokens before the patches.
    public var prefixCount: Int { classTokenCount + registerCount }

    /// Class and distillation tokens.
    var classTokenCount: Int { (hasClassToken ? 1 : 0) + (hasDistillationToken ? 1 : 0) }

    /// Position embeddings before those of the patches.
    var placedPrefixCount: Int { placesClassToken ? classTokenCount : 0 }

    /// Length of the pooled vector.
    var pooledSize: Int { pooling == .classTokens || pooling == .classTokenAndMean ? 2 * hiddenSize : hiddenSize }

    var blockSizes: TransformerBlockSizes {
        TransformerBlockSizes(
            features: hiddenSize, headCount: headCount, intermediateSize: intermediateSize, activation: activation,
            isGated: isGated, epsilon: epsilon, hasProjectionBias: hasProjectionBias, hasLayerScale: hasLayerScale)
    }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.check("the hidden size", [hiddenSize], in: Self.hiddenSizes)
        sizes.check("the number of layers", [layerCount], in: Self.layerCounts)
        sizes.check("the number of heads", [headCount], in: 1...1024)
        sizes.check("the intermediate size", [intermediateSize], in: Self.intermediateSizes)
        sizes.check("the picture's size", [pictureSize], in: Self.pictureSizes)
        sizes.check("the patches' size", [patchSize], in: 1...1024)
        sizes.check("the number of registers", [registerCount], in: 0...1024)
        sizes.check("the number of classes", [classCount], in: 0...1_000_000)
        if !sizes.problems.isEmpty { return sizes.problems }
        sizes.expect(
            hiddenSize.isMultiple(of: headCount), "\(headCount) heads do not divide the hidden size \(hiddenSize)")
        sizes.expect(
            pictureSize >= patchSize, "a patch of \(patchSize) pixels is larger than a picture of \(pictureSize)")
        sizes.expect(
            hasClassToken || !(hasDistillationToken || [.classToken, .classTokens, .classTokenAndMean].contains(pooling)),
            "there is no class token to pool")
        sizes.expect(pooling != .classTokens || hasDistillationToken, "there is no distillation token to pool")
        return sizes.problems
    }

    static let hiddenSizes = 1...16384
    static let layerCounts = 1...256
    static let intermediateSizes = 1...131_072
    static let pictureSizes = 1...4096

    /// The sizes that timm calls tiny, small, base, large, huge, giant and gigantic.
    public static let tiny = VisionTransformerConfiguration(hiddenSize: 192, headCount: 3)
    public static let small = VisionTransformerConfiguration(hiddenSize: 384, headCount: 6)
    public static let base = VisionTransformerConfiguration(hiddenSize: 768, headCount: 12)
    public static let large = VisionTransformerConfiguration(hiddenSize: 1024, layerCount: 24, headCount: 16)
    public static let huge = VisionTransformerConfiguration(patchSize: 14, hiddenSize: 1280, layerCount: 32, headCount: 16)

    public static let giant = VisionTransformerConfiguration(
        patchSize: 14, hiddenSize: 1408, layerCount: 40, headCount: 16, intermediateSize: 6144)
    public static let gigantic = VisionTransformerConfiguration(
        patchSize: 14, hiddenSize: 1664, layerCount: 48, headCount: 16, intermediateSize: 8192)

    /// The same with some parts changed.
    func with(_ change: (inout Self) -> Void) -> Self {
        var changed = self
        change(&changed)
        return changed
    }
}

extension VisionTransformerConfiguration {
    /// How pictures were fed in pretraining.
    public enum Pretraining: String, Sendable, Hashable, Codable {
        /// timm's and Google's weights: values of -1...1.
        case augReg
        /// Hugging Face's copies of those: squashed, bilinear.
        case augRegSquashed
        /// ImageNet's mean and deviation: DeiT.
        case imageNet
        /// torchvision's.
        case torchvision
        /// DINOv2: ImageNet's mean and deviation, nothing cut off in timm.
        case dinov2
        case clip
        case siglip
    }

    public var preprocessing: Preprocessing? {
        let half: [Float] = [0.5, 0.5, 0.5]
        let cropped = Preprocessing.Resize.shortestEdge(248)  // 224 / 0.9
        let middle = PixelSize(224)
        var preprocessing =
            switch pretraining {
            case .augReg:
                Preprocessing(
                    resize: cropped, crop: middle, centering: .even, interpolation: .bicubic, mean: half, deviation: half)
            case .augRegSquashed: Preprocessing(resize: .squash(middle), mean: half, deviation: half)
            case .imageNet:
                Preprocessing(resize: cropped, crop: middle, centering: .even, interpolation: .bicubic)
            case .torchvision: Preprocessing.imageNet()
            case .dinov2: Preprocessing(resize: .shortestEdge(224), crop: middle, interpolation: .bicubic)
            case .clip:
                Preprocessing(
                    resize: .shortestEdge(224), crop: middle, interpolation: .bicubic,
                    mean: [0.48145466, 0.4578275, 0.40821073], deviation: [0.26862954, 0.26130258, 0.27577711])
            case .siglip:
                Preprocessing(resize: .squash(middle), interpolation: .bicubic, mean: half, deviation: half)
            }
        preprocessing.scale(to: pictureSize)
        return preprocessing
    }
}
