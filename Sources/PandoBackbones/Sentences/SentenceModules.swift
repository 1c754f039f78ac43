import Foundation
import PandoTensor

/// What a folder of sentence-transformers does with a text's states, by its `modules.json`.
///
/// - Source: the format as github.com/UKPLab/sentence-transformers writes it.
struct SentenceModules {
    let folder: URL
    /// Where in it `config.json` and the weights lie; empty for the folder itself.
    private(set) var networkPath = ""
    /// The files that say all this, by their paths in the folder.
    private(set) var files: [String] = []
    var pooling = TextPooling.mean
    /// Whether vectors are brought to length 1.
    var normalizes = true
    /// The longest text in tokens, if the folder says.
    var maximumLength: Int?

    /// The modules of `folder`; without a `modules.json` the mean of the states, of length 1.
    /// - Throws: `BackboneError` naming every module and setting that is not implemented.
    init(folder: URL) throws(BackboneError) {
        self.folder = folder
        let file = folder.appendingPathComponent("modules.json")
        guard FileManager.default.fileExists(atPath: file.path) else { return }
        files.append("modules.json")
        var problems: [String] = []
        normalizes = false
        for (index, module) in try Self.list(file).enumerated() {
            let (type, path) = (module.type, module.path.split(separator: "/").filter { $0 != "." }.joined(separator: "/"))
            guard Self.isInside(module.path) else {
                problems.append("module \(index): the path '\(module.path)' leaves the folder")
                continue
            }
            switch type.split(separator: ".").last {
            case "Transformer" where index == 0: networkPath = path
            case "Pooling" where index == 1:
                files.append(Self.path("config.json", in: path))
                pooling = try Self.pooling(folder.appendingPathComponent(files[1]))
            case "Normalize" where index > 1: normalizes = true
            default:
                problems.append(
                    "module \(index): '\(type)' is not implemented; expected Transformer, Pooling and perhaps Normalize")
            }
        }
        if !problems.isEmpty { throw BackboneError(file.path, problems) }
        let limits = Self.path("sentence_bert_config.json", in: networkPath)
        if FileManager.default.fileExists(atPath: folder.appendingPathComponent(limits).path) {
            files.append(limits)
            var reader = try ConfigurationReader(folder.appendingPathComponent(limits))
            maximumLength = reader.optionalInteger("max_seq_length", in: 1...1_000_000)
            try reader.finish()
        }
    }

    var network: URL { networkPath.isEmpty ? folder : folder.appendingPathComponent(networkPath, isDirectory: true) }

    /// The path of `tokenizer.json`, beside the weights or in the folder itself; `nil` where there is none.
    var tokenizerPath: String? {
        [Self.path("tokenizer.json", in: networkPath), "tokenizer.json"].first {
            FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path)
        }
    }

    static func path(_ name: String, in place: String) -> String { place.isEmpty ? name : "\(place)/\(name)" }

    private static func list(_ file: URL) throws(BackboneError) -> [(type: String, path: String)] {
        let mapped: MappedFile
        do { mapped = try MappedFile(file) } catch { throw BackboneError(file.path, "\(error)") }
        let json: JSON
        do { json = try JSON(parsing: mapped.bytes) } catch { throw BackboneError(file.path, "not valid JSON: \(error)") }
        let modules = json.array?.compactMap { entry in
            entry["type"]?.string.flatMap { type in entry["path"]?.string.map { (type, $0) } }
        }
        guard let modules, !modules.isEmpty, modules.count == json.array?.count, modules.count <= 64 else {
            throw BackboneError(file.path, "expected a list of modules, each with 'type' and 'path'")
        }
        return modules
    }

    private static func isInside(_ path: String) -> Bool {
        !path.hasPrefix("/") && !path.utf8.contains(0) && !path.split(separator: "/").contains("..")
    }

    private static func pooling(_ file: URL) throws(BackboneError) -> TextPooling {
        var reader = try ConfigurationReader(file)
        let known: [(mode: String, key: String, pooling: TextPooling)] = [
            ("mean", "pooling_mode_mean_tokens", .mean), ("cls", "pooling_mode_cls_token", .first),
            ("max", "pooling_mode_max_tokens", .max),
        ]
        if let mode = reader.optionalText("pooling_mode") {
            if let found = known.first(where: { $0.mode == mode }) { return found.pooling }
            throw BackboneError(file.path, "pooling_mode: '\(mode)' is not implemented; cls, max and mean are")
        }
        let chosen = reader.keys.filter { $0.hasPrefix("pooling_mode_") && reader.flag($0, default: false) }
        try reader.finish()
        guard chosen.count == 1, let found = known.first(where: { $0.key == chosen[0] }) else {
            throw BackboneError(
                file.path, "expected one of \(known.map(\.key).joined(separator: ", ")) to be true, found \(chosen)")
        }
        return found.pooling
    }
}
