import Foundation
import PandoData
import PandoNN
import PandoTensor

extension OpenedBackbone {
    /// Writes the backbone as our own folder: `config.json`, `model.safetensors` under the network's own names,
    /// `preprocessor_config.json` for a network that sees pictures, and the tokenizer's files if it has any.
    ///
    /// The folder stands beside `url` until it is whole, and then takes the name.
    /// - Throws: `BackboneError` if something stands at `url` already, `FileError`.
    public func write(to url: URL) throws {
        let url = url.standardizedFileURL
        guard !FileManager.default.fileExists(atPath: url.path) else {
            throw BackboneError(url.path, "something stands there already; name another place, or remove it")
        }
        let draft = url.deletingLastPathComponent().appendingPathComponent(".\(url.lastPathComponent).\(getpid()).tmp")
        do {
            try FileManager.default.createDirectory(at: draft, withIntermediateDirectories: true)
            try write(into: draft)
            try FileManager.default.moveItem(at: draft, to: url)
        } catch {
            try? FileManager.default.removeItem(at: draft)  // the error that led here is the one to tell
            throw error
        }
    }

    private func write(into folder: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(encoder.encode(architecture), to: folder.appendingPathComponent("config.json"))
        if let preprocessing {
            try AtomicFile.write(
                preprocessing.encodedConfiguration(), to: folder.appendingPathComponent("preprocessor_config.json"))
        }
        if let model = network as? ONNXBackbone {
            for (name, file) in model.files { try copy(file, to: folder.appendingPathComponent(name)) }
            return
        }
        let tensors = Dictionary(uniqueKeysWithValues: network.namedTensors.map { ($0.name, $0.tensor) })
        try SafetensorsFile.write(
            tensors, metadata: ["format": "pt"], to: folder.appendingPathComponent("model.safetensors"))
        guard let tokenizerFile else { return }
        let source = tokenizerFile.deletingLastPathComponent()
        for name in [
            "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json", "1_Pooling/config.json",
            "sentence_bert_config.json",
        ] {
            let file = source.appendingPathComponent(name)
            guard FileManager.default.fileExists(atPath: file.path) else { continue }
            try copy(file, to: folder.appendingPathComponent(name))
        }
    }

    private func copy(_ file: URL, to target: URL) throws {
        try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        let source = try MappedFile(file)
        _ = try AtomicFile.write(to: target) { try $0.write(source.bytes) }
    }

    /// The same backbone with other weights: adapters merged into them.
    public func with(_ network: any Module) -> OpenedBackbone {
        OpenedBackbone(
            architecture: architecture, network: network, preprocessing: preprocessing, weights: weights,
            dialect: dialect, ignored: ignored, tokenizerFile: tokenizerFile)
    }
}
