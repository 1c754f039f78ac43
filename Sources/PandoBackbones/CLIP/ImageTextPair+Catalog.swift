import PandoData
import PandoNN

extension ImageTextPairConfiguration: ImageTextBackboneConfiguration {
    public static let family = "image_text_pair"
    public static let modelTypes = ["clip", "siglip"]

    /// OpenCLIP's names. OpenAI's weights are those with "quickgelu".
    public static let published: [(name: String, configuration: Self)] = {
        func pair(
            _ image: VisionTransformerConfiguration, patch: Int, side: Int = 224, _ activation: NamedActivation,
            text width: Int, layers: Int = 12, heads: Int, into size: Int
        ) -> Self {
            Self(
                image: image.with {
                    ($0.patchSize, $0.pictureSize, $0.epsilon, $0.normalizesEmbeddings) = (patch, side, 1e-5, true)
                    ($0.pretraining, $0.resampling, $0.classCount, $0.activation) = (.clip, .antialiased, 0, activation)
                },
                text: TextTransformerConfiguration(
                    vocabularySize: 49408, hiddenSize: width, layerCount: layers, headCount: heads,
                    activation: activation, pooling: .highest),
                projectionSize: size)
        }
        var found: [(name: String, configuration: Self)] = []
        for (suffix, activation) in [("", NamedActivation.gelu), ("-quickgelu", .quickGELU)] {
            found += [
                ("ViT-B-32\(suffix)", pair(.base, patch: 32, activation, text: 512, heads: 8, into: 512)),
                ("ViT-B-16\(suffix)", pair(.base, patch: 16, activation, text: 512, heads: 8, into: 512)),
                ("ViT-L-14\(suffix)", pair(.large, patch: 14, activation, text: 768, heads: 12, into: 768)),
                ("ViT-L-14-336\(suffix)", pair(.large, patch: 14, side: 336, activation, text: 768, heads: 12, into: 768)),
                ("ViT-H-14\(suffix)", pair(.huge, patch: 14, activation, text: 1024, layers: 24, heads: 16, into: 1024)),
            ]
        }
        return found
    }()

    public init(modelType: String, reading file: inout ConfigurationReader) {
        let isSigLIP = modelType == "siglip"
        var vision = file.requiredSection("vision_config")
        let image = isSigLIP ? VisionTransformerConfiguration(siglip: &vision) : .init(clip: &vision)
        vision.requireThreeChannels()
        file.take(vision)
        var words = file.requiredSection("text_config")
        let text = isSigLIP ? TextTransformerConfiguration(siglip: &words) : .init(clip: &words)
        file.take(words)
        self.init(
            image: image, text: text,
            projectionSize: isSigLIP ? nil : file.integer("projection_dim", in: 1...65536, default: 512), hasBias: isSigLIP)
    }

    public var preprocessing: Preprocessing? { image.preprocessing }

    public var initialization: Initialization { .transformer }

    public var problems: [String] {
        var problems = image.problems.map { "for pictures: \($0)" } + text.problems.map { "for texts: \($0)" }
        guard problems.isEmpty else { return problems }
        let (seen, read) = (image.pooledSize, text.outputSize ?? text.hiddenSize)
        if let projectionSize {
            if !(1...65536).contains(projectionSize) { problems.append("the vectors' length \(projectionSize) is not in 1...65536") }
        } else if seen != read {
            problems.append("vectors of pictures have \(seen) numbers, those of texts \(read)")
        }
        return problems
    }

    public func resized(to side: Int) -> Self {
        var resized = self
        resized.image = image.resized(to: side)
        return resized
    }

    public func makeNetwork() -> ImageTextPair { ImageTextPair(self) }

    public var dialects: [Dialect] {
        let vision = hasBias
            ? VisionTransformerConfiguration.siglipVisionRules(theirs: "vision_model.", ours: "image.")
            : VisionTransformerConfiguration.clipVisionRules(theirs: "vision_model.", ours: "image.")
        return [
            .own,
            Dialect(
                "transformers",
                rules: vision + TextTransformerConfiguration.transformersRules(theirs: "text_model.", ours: "text.")
                    + [.init("visual_projection", "image_projection")],
                ignoring: ["vision_model.embeddings.position_ids", "text_model.embeddings.position_ids"]),
            Dialect(
                "OpenCLIP",
                rules: VisionTransformerConfiguration.openCLIPVisionRules(theirs: "visual.", ours: "image.")
                    + TextTransformerConfiguration.openCLIPRules(ours: "text.")
                    + [
                        .init("visual.proj", "image_projection.weight", transposed: true),
                        .init("text_projection", "text_projection.weight", transposed: true),
                    ], ignoring: ["attn_mask"]),
        ]
    }
}
