import PandoData
import PandoNN

extension EfficientNetLiteConfiguration: ImageBackboneConfiguration {
    public static let family = "efficientnet_lite"
    public static let classifierNames = ["_fc"]

    public static let published: [(name: String, configuration: Self)] = [("efficientnet_lite0", Self())]

    /// TensorFlow's release: (x - 127) / 128.
    public var preprocessing: Preprocessing? {
        Preprocessing(
            resize: .shortestEdge(256), crop: PixelSize(224), interpolation: .bicubic,
            mean: [127, 127, 127].map { $0 / 255 }, deviation: [128, 128, 128].map { $0 / 255 })
    }

    public func fitted(to shapes: [String: [Int]]) -> Self { Self(classCount: shapes["_fc.weight"]?.first ?? 0) }

    public func makeNetwork() -> EfficientNetLite { EfficientNetLite(self) }
}
