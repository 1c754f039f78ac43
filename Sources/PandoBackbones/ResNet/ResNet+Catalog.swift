import PandoData
import PandoNN

extension ResNetConfiguration: ImageBackboneConfiguration {
    public static let family = "resnet"
    public static let classifierNames = ["fc"]

    /// torchvision's and timm's names.
    public static let published: [(name: String, configuration: Self)] = [
        ("resnet18", .resNet18), ("resnet34", .resNet34), ("resnet50", .resNet50), ("resnet101", .resNet101),
        ("resnet152", .resNet152),
    ]

    public var preprocessing: Preprocessing? { .imageNet() }

    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["fc.weight"]?.first ?? 0
        return fitted
    }

    public func makeNetwork() -> ResNet { ResNet(self) }
}
