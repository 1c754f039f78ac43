import PandoData
import PandoNN

extension MobileNetV3Configuration: ImageBackboneConfiguration {
    public static let family = "mobilenet_v3"
    public static let classifierNames = ["classifier"]

    /// torchvision's names and timm's, whose norms have another epsilon but for the weights ported from TensorFlow.
    public static let published: [(name: String, configuration: Self)] =
        [("mobilenet_v3_small", Self(.small)), ("mobilenet_v3_large", Self(.large))]
        + [(Size.small, 0.5, "050"), (.small, 0.75, "075"), (.small, 1, "100"), (.large, 0.75, "075"), (.large, 1, "100")]
        .flatMap { size, width, tag in
            let name = "mobilenetv3_\(size.rawValue)_\(tag)"
            return [
                (name, Self(size, width: width, epsilon: 1e-5)), ("tf_" + name, Self(size, width: width, framing: .same)),
            ]
        }

    public var problems: [String] {
        var sizes = SizeCheck()
        sizes.expect((0.05...16).contains(width), "width \(width) is outside 0.05...16")
        sizes.check("classes", [classCount], in: 0...10_000_000)
        return sizes.problems
    }

    public var dialects: [Dialect] {
        let last = "blocks.\((blocks.last?.stage ?? 0) + 1).0"
        return [
            Dialect("torchvision"),
            Dialect(
                "timm",
                rules: MobileNames.timm(blocks, head: ("\(last).conv", "\(last).bn1"))
                    .rules(to: names, blocks, hiddenIsKernel: true)),
        ]
    }

    public var preprocessing: Preprocessing? { .imageNet() }

    /// Without a classifier there is no layer before it either.
    public func fitted(to shapes: [String: [Int]]) -> Self {
        var fitted = self
        fitted.classCount = shapes["classifier.3.weight"]?.first ?? 0
        return fitted
    }
}
