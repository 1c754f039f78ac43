import Foundation
import PandoData
import PandoNN
import PandoTensor

/// The picture networks that can be built, by the name that plans and `config.json` use.
public enum ImageBackboneKind: String, Sendable, Codable, CaseIterable {
    case mobileNetV2 = "mobilenet_v2"
    case efficientNetLite0 = "efficientnet_lite0"

    /// The network, its weights still to be loaded.
    public func makeNetwork() -> any ImageBackbone {
        switch self {
        case .mobileNetV2: MobileNetV2()
        case .efficientNetLite0: EfficientNetLite()
        }
    }

    /// How the network was fed when it was pretrained.
    public var preprocessing: Preprocessing {
        switch self {
        case .mobileNetV2: .imageNet()
        // TensorFlow's release: (x - 127) / 128.
        case .efficientNetLite0:
            Preprocessing(
                resize: .shortestEdge(256), crop: PixelSize(224), interpolation: .bicubic,
                mean: [127, 127, 127].map { $0 / 255 }, deviation: [128, 128, 128].map { $0 / 255 })
        }
    }

    /// The names of tensors that checkpoints hold and the network does without: counters of batch norms.
    func isIgnored(_ name: String) -> Bool { name.hasSuffix("num_batches_tracked") }

    /// The network with the weights of a PyTorch or safetensors file, under the checkpoint's own names.
    ///
    /// - Throws: `CheckpointError` if the file cannot be read, `WeightMismatch` if its tensors are not the network's.
    public func load(_ file: URL) throws -> any ImageBackbone {
        try loaded(makeNetwork(), try weights(in: file), from: file.path)
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
