import PandoNN
import PandoTensor

/// A vision transformer, in timm's form and under its names: ViT, DeiT, DINOv2, and the picture halves of CLIP and
/// SigLIP, by the parts that the configuration asks for.
///
/// - Shapes: `[N, S, S, 3]` → pooled `[N, C]` or `[N, 2 C]`; taps `blocks.0` to `blocks.n` of
///   `[N, prefix + patches, C]`: class token, distillation token, registers, then patches row by row.
/// - Source: Dosovitskiy et al. 2021 (arXiv:2010.11929), equations 1 to 4.
public struct VisionTransformer: ImageBackbone, BlockwiseBackbone {
    var classToken, distillationToken, registers: Tensor?
    var positions: Tensor
    var patches: Convolution2D
    var embeddingNorm: LayerNorm?
    var blocks: [TransformerBlock]
    var norm: LayerNorm
    var pool: AttentionPool?
    var classifier, distillationClassifier: Linear?
    public private(set) var configuration: VisionTransformerConfiguration

    /// The network with weights of the right shapes, to be loaded or initialised.
    /// - Precondition: `configuration` has no problems.
    public init(_ configuration: VisionTransformerConfiguration) {
        require(
            configuration.problems.isEmpty, "VisionTransformer: \(configuration.problems.joined(separator: "; "))")
        let (size, patch, grid) = (configuration.hiddenSize, configuration.patchSize, configuration.gridSize)
        if configuration.hasClassToken { classToken = .zeros([1, 1, size]) }
        if configuration.hasDistillationToken { distillationToken = .zeros([1, 1, size]) }
        if configuration.registerCount > 0 { registers = .zeros([1, configuration.registerCount, size]) }
        positions = .placeholder([1, configuration.placedPrefixCount + grid * grid, size])
        patches = Convolution2D(
            3, size, kernel: patch, stride: patch, frame: .fixed(0), bias: !configuration.normalizesEmbeddings)
        if configuration.normalizesEmbeddings { embeddingNorm = LayerNorm(size, epsilon: configuration.epsilon) }
        blocks = (0..<configuration.layerCount).map { _ in TransformerBlock(configuration.blockSizes) }
        norm = LayerNorm(size, epsilon: configuration.epsilon)
        if configuration.pooling == .attention { pool = AttentionPool(configuration.blockSizes) }
        let pooled = configuration.pooling == .classTokenAndMean ? 2 * size : size
        classifier = .classifier(pooled, classes: configuration.classCount)
        if configuration.hasDistillationToken {
            distillationClassifier = .classifier(size, classes: configuration.classCount)
        }
        self.configuration = configuration
    }

    public var pooledFeatures: Int { configuration.pooledSize }

    public var pictureSize: Int? { configuration.pictureSize }

    public var taps: [Tap] {
        blocks.indices.map {
            Tap(name: "blocks.\($0)", depth: $0 + 1, channels: configuration.hiddenSize, kind: .tokens)
        }
    }

    public func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor {
        let pictures = input.pictures(for: self)
        require(
            pictures.shape.dropFirst() == [configuration.pictureSize, configuration.pictureSize, 3],
            "VisionTransformer: made for pictures of \(configuration.pictureSize) pixels, got \(pictures.shape)")
        let tokens = tokens(of: pictures)
        return embeddingNorm?(tokens) ?? tokens
    }

    public func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor {
        blocks[index](state, mask: mask.map(TokenTensors.addedToScores))
    }

    /// The embedded patches at their places, behind the tokens that stand for no patch.
    private func tokens(of pictures: Tensor) -> Tensor {
        let map = patches(pictures)
        let (count, size) = (pictures.shape[0], configuration.hiddenSize)
        let placed = configuration.placedPrefixCount
        let places = positions.cast(to: map.elementType)
        let grid = places.slice(placed..<places.shape[1], along: 1)
        let embedded = map.reshaped(count, configuration.gridSize * configuration.gridSize, size) + grid
        var prefix: [Tensor] = []
        for (index, token) in [classToken, distillationToken].compactMap({ $0 }).enumerated() {
            let token = token.cast(to: map.elementType)
            prefix.append(placed > 0 ? token + places.slice(index..<index + 1, along: 1) : token)
        }
        if let registers { prefix.append(registers.cast(to: map.elementType)) }
        if prefix.isEmpty { return embedded }
        let first = Tensor.concatenated(prefix, along: 1).broadcast(to: [count, configuration.prefixCount, size])
        return .concatenated([first, embedded], along: 1)
    }

    public func pooled(_ last: Tensor, mask: Tensor?) -> Tensor {
        let (count, prefix) = (last.shape[0], configuration.prefixCount)
        func normalizedToken(_ index: Int) -> Tensor { norm(last.slice(index..<index + 1, along: 1).squeezed(1)) }
        func patchMean() -> Tensor { norm(last.slice(prefix..<last.shape[1], along: 1)).mean(along: [1]) }
        switch configuration.pooling {
        case .classToken: return normalizedToken(0)
        case .classTokens: return norm(last.slice(0..<2, along: 1)).reshaped(count, pooledFeatures)
        case .classTokenAndMean: return .concatenated([normalizedToken(0), patchMean()], along: 1)
        case .patchMean: return patchMean()
        case .attention: return pool?(norm(last)) ?? patchMean()
        }
    }

    /// With a distillation token, the mean of what the two classifiers say.
    public func logits(_ pooled: Tensor) -> Tensor? {
        guard let classifier else { return nil }
        guard let distillationClassifier, configuration.pooling == .classTokens else { return classifier(pooled) }
        let size = configuration.hiddenSize
        return
            (classifier(pooled.slice(0..<size, along: 1))
            + distillationClassifier(pooled.slice(size..<2 * size, along: 1))) * 0.5
    }

    public func resized(to side: Int) -> Self {
        require(
            side >= configuration.patchSize,
            "VisionTransformer: pictures of \(side) pixels hold no patch of \(configuration.patchSize)")
        let (old, new) = (configuration.gridSize, side / configuration.patchSize)
        var resized = self
        resized.configuration.pictureSize = side
        let (placed, size) = (configuration.placedPrefixCount, configuration.hiddenSize)
        let map = positions.slice(placed..<positions.shape[1], along: 1).reshaped(1, old, old, size)
        let resampled = map.resized(
            height: new, width: new, by: .cubic, aligningCorners: configuration.resampling == .cornersAligned,
            antialiased: configuration.resampling == .antialiased)
        resized.positions = .concatenated(
            [positions.slice(0..<placed, along: 1), resampled.reshaped(1, new * new, size)], along: 1
        ).counted(as: .weights)
        return resized
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.parameter("cls_token", &classToken)
        visitor.parameter("dist_token", &distillationToken)
        visitor.parameter("reg_token", &registers)
        visitor.parameter("pos_embed", &positions)
        visitor.module("patch_embed.proj", &patches)
        visitor.module("norm_pre", &embeddingNorm)
        visitor.modules("blocks", &blocks)
        visitor.module("norm", &norm)
        visitor.module("attn_pool", &pool)
        visitor.module("head", &classifier)
        visitor.module("head_dist", &distillationClassifier)
    }
}
