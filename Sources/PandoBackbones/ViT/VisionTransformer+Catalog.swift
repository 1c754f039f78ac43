import PandoData
import PandoNN

extension VisionTransformerConfiguration: ImageBackboneConfiguration {
    public static let family = "vit"
    public static let classifierNames = ["head"]

    /// timm's names.
    public static let published: [(name: String, configuration: Self)] = [
        ("vit_tiny_patch16_224", .tiny), ("vit_small_patch16_224", .small), ("vit_base_patch16_224", .base),
    ]

    public var initialization: Initialization { .transformer }

    /// timm's augreg weights: (x - 0.5) / 0.5.
    public var preprocessing: Preprocessing? {
        var preprocessing = Preprocessing(
            resize: .shortestEdge(248), crop: PixelSize(224), interpolation: .bicubic, mean: [0.5, 0.5, 0.5],
            deviation: [0.5, 0.5, 0.5])
        preprocessing.scale(to: pictureSize)
        return preprocessing
    }

    public func problem(withPicturesOf side: Int) -> String? {
        side.isMultiple(of: patchSize)
            ? nil : "cuts pictures into patches of \(patchSize) pixels; \(side) is no multiple of \(patchSize)"
    }

    public func resized(to side: Int) -> Self {
        var resized = self
        resized.pictureSize = side
        return resized
    }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["head.weight"]?.first ?? 0
        return fitted
    }

    public func makeNetwork() -> VisionTransformer { VisionTransformer(self) }
}
