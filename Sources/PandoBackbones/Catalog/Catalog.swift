import PandoData
import PandoTensor

/// Every network that can be built, by family and by published name.
public enum Catalog {
    /// The families, each in a folder of its own.
    public static let families: [any BackboneConfiguration.Type] = [
        EfficientNetConfiguration.self, MobileNetV2Configuration.self, MobileNetV3Configuration.self,
        ResNetConfiguration.self, ConvNeXtConfiguration.self, RegNetConfiguration.self, SwinConfiguration.self,
        VisionTransformerConfiguration.self, ImageTextPairConfiguration.self, TextTransformerConfiguration.self,
        BERTConfiguration.self, T5Configuration.self, LlamaConfiguration.self, ONNXConfiguration.self,
    ]

    /// The networks with published names, family by family.
    public static let published: [Architecture] = families.flatMap(published(of:))

    private static func published(of family: any BackboneConfiguration.Type) -> [Architecture] {
        func all<Configuration: BackboneConfiguration>(_ type: Configuration.Type) -> [Architecture] {
            type.published.map { Architecture(name: $0.name, $0.configuration) }
        }
        return all(family)
    }

    /// The networks whose weights the set-up fetches.
    public static let fetched = ["mobilenet_v2", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]

    /// The network that was published as `name`. A tag after a dot, as timm writes (`resnet50.a1_in1k`), says which
    /// weights are meant and is left out.
    /// - Throws: `BackboneError` with the nearest name.
    public static func architecture(named name: String) throws(BackboneError) -> Architecture {
        let bare = String(name.prefix { $0 != "." })
        if let found = published.first(where: { $0.name == name || $0.name == bare }) { return found }
        let names = published.map(\.name)
        let hint = nearMiss(to: name, among: names).map { "; did you mean '\($0)'?" } ?? "; `pando inspect --list` names them all"
        throw BackboneError(name, "no network has this name" + hint)
    }

    /// The family that reads Hugging Face's `config.json` with this `model_type`.
    static func family(modelType: String) -> (any BackboneConfiguration.Type)? {
        families.first { $0.modelTypes.contains(modelType) }
    }

    /// Every `model_type` that can be read.
    public static var modelTypes: [String] { families.flatMap { $0.modelTypes }.sorted() }
}
