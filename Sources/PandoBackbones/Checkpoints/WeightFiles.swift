import Foundation
import PandoTensor

/// The files that hold a checkpoint's tensors: one, or shards with an index that says which tensor lies where.
struct WeightFiles {
    /// All tensors, by the checkpoint's names.
    let tensors: [String: Tensor]
    /// The file, or the index of the shards.
    let source: URL

    /// The names under which weights lie in a folder, the preferred first.
    static let names = [
        "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
        "pytorch_model.safetensors", "open_clip_model.safetensors", "open_clip_pytorch_model.bin",
    ]

    /// Reads a file of weights, or those of a folder. Safetensors are mapped, not copied; whether their values are finite
    /// is asked where they are put to use.
    ///
    /// - Throws: `BackboneError` if a folder holds no weights or an index names what is not there; `CheckpointError`.
    init(_ url: URL) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
            throw BackboneError(url.path, "no such file or folder")
        }
        source = try isFolder.boolValue ? Self.find(in: url) : url
        tensors = source.lastPathComponent.hasSuffix(".index.json")
            ? try Self.shards(of: source) : try Self.tensors(in: source)
    }

    private static func find(in folder: URL) throws(BackboneError) -> URL {
        for name in names {
            let file = folder.appendingPathComponent(name)
            if FileManager.default.fileExists(atPath: file.path) { return file }
        }
        throw BackboneError(folder.path, "holds no weights; expected one of \(names.joined(separator: ", "))")
    }

    /// One file: safetensors by its name, else PyTorch's formats.
    ///
    /// Who stored a whole training state is understood: `state_dict.` or the like in front of every name is left out.
    private static func tensors(in file: URL) throws(CheckpointError) -> [String: Tensor] {
        let tensors = file.pathExtension == "safetensors"
            ? try SafetensorsFile(file, requiringFinite: false).tensors.dictionary : try PyTorchFile(file).tensors.dictionary
        for prefix in ["state_dict.", "state_dict_ema.", "model_state_dict."] {
            guard !tensors.isEmpty, tensors.keys.allSatisfy({ $0.hasPrefix(prefix) }) else { continue }
            return Dictionary(uniqueKeysWithValues: tensors.map { (String($0.dropFirst(prefix.count)), $1) })
        }
        return tensors
    }

    /// The tensors of all shards, each in the file that the index names.
    private static func shards(of index: URL) throws -> [String: Tensor] {
        struct Index: Decodable { let weight_map: [String: String] }
        let map: [String: String]
        do { map = try JSONDecoder().decode(Index.self, from: Data(contentsOf: index)).weight_map } catch {
            throw BackboneError(index.path, "expected an object 'weight_map' from names of tensors to files")
        }
        let folder = index.deletingLastPathComponent()
        var problems: [String] = []
        var shards: [String: [String: Tensor]] = [:]
        for name in Set(map.values).sorted() {
            guard !name.isEmpty, name != "..", !name.contains("/"), !name.utf8.contains(0) else {
                problems.append("names the shard '\(name)'; a shard lies in the index's own folder")
                continue
            }
            let file = folder.appendingPathComponent(name)
            guard FileManager.default.fileExists(atPath: file.path) else {
                problems.append("the shard \(name) is missing; download it into \(folder.path)")
                continue
            }
            shards[name] = try tensors(in: file)
        }
        if !problems.isEmpty { throw BackboneError(index.path, problems) }
        var found: [String: Tensor] = [:]
        for (name, shard) in map.sorted(by: { $0.key < $1.key }) {
            guard let tensor = shards[shard]?[name] else {
                problems.append("\(name) is not in \(shard), where the index expects it")
                continue
            }
            found[name] = tensor
        }
        for (shard, tensors) in shards {
            for name in tensors.keys.sorted() where map[name] != shard {
                problems.append("\(name) lies in \(shard), but the index does not say so")
            }
        }
        if !problems.isEmpty { throw BackboneError(index.path, problems) }
        return found
    }
}
