import Foundation
import PandoData
import PandoNN
import PandoTensor

/// A backbone with its weights, as a file or folder gave it.
public struct OpenedBackbone: Sendable {
    public let architecture: Architecture
    /// An `ImageBackbone`, a `TextBackbone`, or a pair of them.
    public let network: any Module
    /// How pictures are fed to it; `nil` for a network that sees none.
    public let preprocessing: Preprocessing?
    /// Where the weights were read.
    public let weights: URL
    /// Whose names the weights had.
    public let dialect: String
    /// Tensors of the checkpoint that the network does without, by the checkpoint's names.
    public let ignored: [String]
    /// The file of the tokenizer, if one lies beside the weights.
    public let tokenizerFile: URL?

    /// The network as one for pictures; of a pair, the half for them.
    /// - Throws: `BackboneError` if it sees none.
    public func imageBackbone() throws(BackboneError) -> any ImageBackbone {
        if let pair = network as? any ImageTextBackbone { return pair.image }
        guard let network = network as? any ImageBackbone else {
            throw BackboneError(weights.path, "a \(architecture.name) sees no pictures")
        }
        return network
    }
}

/// A file or folder that a backbone can be read from.
///
/// | source | what decides the network |
/// |---|---|
/// | our own folder | `config.json` |
/// | a folder of Hugging Face's | `model_type` in `config.json` |
/// | a folder of timm's | `architecture` in `config.json` |
/// | an ONNX model (`.onnx`) | the model itself |
/// | a file of weights (`.pth`, `.pt`, `.bin`, `.safetensors`) | the name given, else the file's own name |
public struct BackboneSource: Sendable {
    public let url: URL
    public let architecture: Architecture
    /// How pictures are fed, where a file beside the weights says so; else as the architecture was.
    public let preprocessing: Preprocessing?

    private var isFolder: Bool { url.hasDirectoryPath }

    /// Finds out which network `url` holds, without reading its weights.
    ///
    /// - Parameter name: the published name, for a file of weights whose own name does not tell.
    /// - Throws: `BackboneError` or `PreprocessingError`.
    public init(_ url: URL, named name: String? = nil) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
            throw BackboneError(url.path, "no such file or folder")
        }
        self.url = URL(fileURLWithPath: url.path, isDirectory: isFolder.boolValue)
        let preprocessing: Preprocessing?
        if let name {
            (architecture, preprocessing) = (try Catalog.architecture(named: name), nil)
        } else if isFolder.boolValue {
            (architecture, preprocessing) = try Self.described(by: url.appendingPathComponent("config.json"))
        } else if url.pathExtension == "onnx" {
            (architecture, preprocessing) = (Architecture(name: "onnx", try ONNXConfiguration(describing: url)), nil)
        } else {
            (architecture, preprocessing) = (try Self.guessed(from: url), nil)
        }
        let folder = isFolder.boolValue ? url : url.deletingLastPathComponent()
        let file = folder.appendingPathComponent("preprocessor_config.json")
        let isTold = isFolder.boolValue || url.pathExtension == "onnx"
        if isTold, FileManager.default.fileExists(atPath: file.path) {
            self.preprocessing = try Preprocessing(configuration: file)
        } else {
            self.preprocessing = preprocessing ?? architecture.configuration.preprocessing
        }
    }

    /// A file or folder of weights of which it is known what network they are.
    public init(_ url: URL, as architecture: Architecture) {
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
        self.url = URL(fileURLWithPath: url.path, isDirectory: isFolder.boolValue)
        self.architecture = architecture
        preprocessing = architecture.configuration.preprocessing
    }

    /// The network that a `config.json` describes, and how it says that pictures are fed.
    private static func described(by file: URL) throws -> (Architecture, Preprocessing?) {
        var reader = try ConfigurationReader(file)
        if reader.has("configuration") { return (try ours(file), nil) }
        if reader.has("architecture") {
            let describesPictures = reader.has("pretrained_cfg")
            return (try timms(&reader), describesPictures ? try Preprocessing(timm: file) : nil)
        }
        let type = reader.text("model_type")
        try reader.finish()
        guard let family = Catalog.family(modelType: type) else {
            let hint = nearMiss(to: type, among: Catalog.modelTypes).map { "; did you mean '\($0)'?" } ?? ""
            throw BackboneError(
                file.path,
                "model_type '\(type)' names no network known here\(hint) Known: \(Catalog.modelTypes.joined(separator: ", "))")
        }
        let configuration = family.init(modelType: type, reading: &reader)
        for problem in configuration.problems where reader.problems.isEmpty { reader.problem("sizes", problem) }
        try reader.finish()
        return (Architecture(name: type, configuration), nil)
    }

    /// The network of timm's `config.json`, with what `model_args` change of it.
    private static func timms(_ reader: inout ConfigurationReader) throws(BackboneError) -> Architecture {
        let name = reader.text("architecture")
        try reader.finish()
        // Where another library has other sizes under the same name, timm's stand under `timm/`.
        let own = Catalog.published.first { $0.name == "timm/\(name.prefix { $0 != "." })" }
        var architecture: Architecture
        if let own { architecture = own } else { architecture = try Catalog.architecture(named: name) }
        guard var arguments = reader.section("model_args") else {
            try reader.finish()
            return architecture
        }
        // How many classes there are, the weights tell.
        for key in arguments.keys where key != "img_size" && key != "num_classes" {
            arguments.problem(key, "timm's arguments are not followed here, but for img_size and num_classes")
        }
        let side = arguments.optionalInteger("img_size", in: 1...65536)
        reader.take(arguments)
        try reader.finish()
        architecture = try architecture.resized(to: side)
        return architecture
    }

    private static func ours(_ file: URL) throws -> Architecture {
        do { return try JSONDecoder().decode(Architecture.self, from: Data(contentsOf: file)) } catch
            let error as DecodingError
        {
            throw BackboneError(file.path, error.sentence)
        }
    }

    /// The published network whose name the file's name begins with, the longest such name.
    private static func guessed(from file: URL) throws(BackboneError) -> Architecture {
        let stem = file.deletingPathExtension().lastPathComponent
        let candidates = Catalog.published.filter { architecture in
            guard stem.hasPrefix(architecture.name) else { return false }
            return stem.dropFirst(architecture.name.count).first.map { !$0.isLetter && !$0.isNumber && $0 != "_" } ?? true
        }
        guard let found = candidates.max(by: { $0.name.count < $1.name.count }) else {
            throw BackboneError(
                file.path, "the file's name does not tell which network this is; say it, for example --name resnet50")
        }
        return found
    }

    /// Reads the weights into the network.
    ///
    /// - Parameter side: pixels of the pictures that it will see; `nil` for what it was made for. Position embeddings
    ///   are resampled.
    /// - Throws: `BackboneError`, `CheckpointError`, or `WeightMismatch` naming every tensor that is missing, left over or
    ///   of another shape, by the checkpoint's names.
    public func open(forPicturesOf side: Int? = nil) throws -> OpenedBackbone {
        if let configuration = architecture.configuration as? ONNXConfiguration {
            return try openModel(configuration, forPicturesOf: side)
        }
        let files = try WeightFiles(url)
        let loaded = try architecture.loaded(files.tensors, from: files.source.path, forPicturesOf: side)
        var preprocessing = preprocessing
        if let side { preprocessing?.scale(to: side) }
        let tokenizer = url.appendingPathComponent("tokenizer.json")
        return OpenedBackbone(
            architecture: loaded.architecture, network: loaded.network, preprocessing: preprocessing,
            weights: files.source, dialect: loaded.dialect, ignored: loaded.ignored,
            tokenizerFile: isFolder && FileManager.default.fileExists(atPath: tokenizer.path) ? tokenizer : nil)
    }

    private func openModel(_ configuration: ONNXConfiguration, forPicturesOf side: Int?) throws -> OpenedBackbone {
        let architecture = try architecture.resized(to: side)
        var preprocessing = preprocessing
        if let side { preprocessing?.scale(to: side) }
        return OpenedBackbone(
            architecture: architecture, network: try configuration.open(url, forPicturesOf: side),
            preprocessing: preprocessing, weights: ONNXConfiguration.file(at: url), dialect: "onnx", ignored: [],
            tokenizerFile: nil)
    }

    /// The source with these values of its graph as taps, if it is an ONNX model; any other has its taps already.
    ///
    /// - Throws: `BackboneError` or `ONNXError` naming a value that is no tap.
    public func reading(_ names: [Tap.Name]) throws -> BackboneSource {
        guard let configuration = architecture.configuration as? ONNXConfiguration else { return self }
        return BackboneSource(
            url: url, architecture: Architecture(name: architecture.name, try configuration.reading(names, in: url)),
            preprocessing: preprocessing)
    }

    private init(url: URL, architecture: Architecture, preprocessing: Preprocessing?) {
        (self.url, self.architecture, self.preprocessing) = (url, architecture, preprocessing)
    }

    /// The source fed as `preprocessing` says.
    public func fed(as preprocessing: Preprocessing) -> BackboneSource {
        BackboneSource(url: url, architecture: architecture, preprocessing: preprocessing)
    }
}
