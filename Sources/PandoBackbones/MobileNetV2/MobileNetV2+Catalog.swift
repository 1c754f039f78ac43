import PandoData
import PandoNN

extension MobileNetV2Configuration: ImageBackboneConfiguration {
    public static let family = "mobilenet_v2"
    public static let classifierNames = ["classifier"]

    /// torchvision's name.
    public static let published: [(name: String, configuration: Self)] = [("mobilenet_v2", Self())]

    public var preprocessing: Preprocessing? { .imageNet() }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        Self(classCount: shapes["classifier.1.weight"]?.first ?? 0)
    }

    public func makeNetwork() -> MobileNetV2 { MobileNetV2(self) }
}
