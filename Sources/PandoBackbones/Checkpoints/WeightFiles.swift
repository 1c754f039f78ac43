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

    /// The files in `folder` that its weights are read from, by name: one, or an index and the shards that it names.
    ///
    /// - Throws: `BackboneError` if there are none or a shard is missing.
    static func names(in folder: URL) throws(BackboneError) -> [String] {
        let source = try find(in: folder)
        guard source.lastPathComponent.hasSuffix(".index.json") else { return [source.lastPathComponent] }
        return [source.lastPathComponent] + Set(try map(of: source).values).sorted()
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
        let map = try map(of: index)
        let folder = index.deletingLastPathComponent()
        var problems: [String] = []
        var shards: [String: [String: Tensor]] = [:]
        for name in Set(map.values).sorted() { shards[name] = try tensors(in: folder.appendingPathComponent(name)) }
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

    /// Which tensor lies in which shard; every shard is there, beside the index.
    private static func map(of index: URL) throws(BackboneError) -> [String: String] {
        struct Index: Decodable { let weight_map: [String: String] }
        let map: [String: String]
        do { map = try JSONDecoder().decode(Index.self, from: Data(contentsOf: index)).weight_map } catch {
            throw BackboneError(index.path, "expected an object 'weight_map' from names of tensors to files")
        }
        let folder = index.deletingLastPathComponent()
        var problems: [String] = []
        for name in Set(map.values).sorted() {
            guard !name.isEmpty, name != "..", !name.contains("/"), !name.utf8.contains(0) else {
                problems.append("names the shard '\(name)'; a shard lies in the index's own folder")
                continue
            }
            if !FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path) {
                problems.append("the shard \(name) is missing; download it into \(folder.path)")
            }
        }
        if !problems.isEmpty { throw BackboneError(index.path, problems) }
        return map
    }
}
