import Foundation
import PandoData
import PandoNN
import PandoTensor

/// The picture networks that can be built, by the name that plans and `config.json` use.
public enum ImageBackboneKind: String, Sendable, Codable, CaseIterable {
    case mobileNetV2 = "mobilenet_v2"
    case efficientNetLite0 = "efficientnet_lite0"
    case resNet18 = "resnet18"
    case resNet34 = "resnet34"
    case resNet50 = "resnet50"
    case resNet101 = "resnet101"
    case resNet152 = "resnet152"
    case vitTiny = "vit_tiny_patch16_224"
    case vitSmall = "vit_small_patch16_224"
    case vitBase = "vit_base_patch16_224"

    /// The network, its weights still to be loaded or initialised.
    ///
    /// - Parameter pictureSize: pixels along each side, which only vision transformers must know.
    public func makeNetwork(pictureSize: Int = 224) -> any ImageBackbone {
        func transformer(_ configuration: VisionTransformerConfiguration) -> VisionTransformer {
            var configuration = configuration
            configuration.pictureSize = pictureSize
            return VisionTransformer(configuration)
        }
        return switch self {
        case .mobileNetV2: MobileNetV2()
        case .efficientNetLite0: EfficientNetLite()
        case .resNet18: ResNet(.resNet18)
        case .resNet34: ResNet(.resNet34)
        case .resNet50: ResNet(.resNet50)
        case .resNet101: ResNet(.resNet101)
        case .resNet152: ResNet(.resNet152)
        case .vitTiny: transformer(.tiny)
        case .vitSmall: transformer(.small)
        case .vitBase: transformer(.base)
        }
    }

    /// Whether the network is a transformer, made for one picture size in patches of 16 pixels.
    public var isTransformer: Bool {
        switch self {
        case .vitTiny, .vitSmall, .vitBase: true
        case .mobileNetV2, .efficientNetLite0, .resNet18, .resNet34, .resNet50, .resNet101, .resNet152: false
        }
    }

    /// How the weights begin when the network is trained from nothing.
    public var initialization: Initialization {
        switch self {
        case .mobileNetV2, .efficientNetLite0, .resNet18, .resNet34, .resNet50, .resNet101, .resNet152: .residual
        case .vitTiny, .vitSmall, .vitBase: .transformer
        }
    }

    /// The network with random weights, to be trained from nothing.
    public func makeNetwork(pictureSize: Int = 224, seed: UInt64) -> any ImageBackbone {
        func initialized(_ network: some ImageBackbone) -> any ImageBackbone {
            var network = network
            network.initialize(initialization, seed: seed)
            return network
        }
        return initialized(makeNetwork(pictureSize: pictureSize))
    }

    /// How the network was fed when it was pretrained.
    public var preprocessing: Preprocessing {
        switch self {
        case .mobileNetV2, .resNet18, .resNet34, .resNet50, .resNet101, .resNet152: .imageNet()
        // timm's augreg weights: (x - 0.5) / 0.5.
        case .vitTiny, .vitSmall, .vitBase:
            Preprocessing(
                resize: .shortestEdge(248), crop: PixelSize(224), interpolation: .bicubic, mean: [0.5, 0.5, 0.5],
                deviation: [0.5, 0.5, 0.5])
        // TensorFlow's release: (x - 127) / 128.
        case .efficientNetLite0:
            Preprocessing(
                resize: .shortestEdge(256), crop: PixelSize(224), interpolation: .bicubic,
                mean: [127, 127, 127].map { $0 / 255 }, deviation: [128, 128, 128].map { $0 / 255 })
        }
    }

    /// The layers that name the classes of pretraining; nothing else reads them.
    public var classifierNames: [String] {
        switch self {
        case .mobileNetV2: ["classifier"]
        case .efficientNetLite0: ["_fc"]
        case .resNet18, .resNet34, .resNet50, .resNet101, .resNet152: ["fc"]
        case .vitTiny, .vitSmall, .vitBase: ["head"]
        }
    }

    /// The names of tensors that checkpoints hold and the network does without: counters of batch norms.
    func isIgnored(_ name: String) -> Bool { name.hasSuffix("num_batches_tracked") }

    /// The network with the weights of a PyTorch or safetensors file, under the checkpoint's own names.
    ///
    /// - Throws: `CheckpointError` if the file cannot be read, `WeightMismatch` if its tensors are not the network's.
    public func load(_ file: URL, pictureSize: Int = 224) throws -> any ImageBackbone {
        try loaded(makeNetwork(pictureSize: pictureSize), try weights(in: file), from: file.path)
    }

    private func loaded(_ network: some ImageBackbone, _ weights: [String: Tensor], from source: String) throws
        -> any ImageBackbone
    {
        var network = network
        try network.load(weights, from: source, ignoring: isIgnored)
        return network
    }
}

/// All tensors of a checkpoint: safetensors by its name, else PyTorch's own formats.
///
/// Whoever stored a whole training state is understood: `state_dict.` in front of every name is left out.
func weights(in file: URL) throws(CheckpointError) -> [String: Tensor] {
    let tensors = file.pathExtension == "safetensors"
        ? try SafetensorsFile(file).tensors.dictionary : try PyTorchFile(file).tensors.dictionary
    let prefix = "state_dict."
    guard !tensors.isEmpty, tensors.keys.allSatisfy({ $0.hasPrefix(prefix) }) else { return tensors }
    return Dictionary(uniqueKeysWithValues: tensors.map { (String($0.dropFirst(prefix.count)), $1) })
}
