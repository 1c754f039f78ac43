import Foundation
import Glibc
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// The files of a bundle as they are written, with their digests.
struct BundleContents {
    let folder: URL
    var digests: [String: String] = [:]

    mutating func writeBackbone(_ architecture: Architecture, _ backbone: any ImageBackbone, _ preprocessing: Preprocessing)
        throws
    {
        try write(json: architecture.resized(to: preprocessing.outputSize.width), to: "backbone/config.json")
        try write(preprocessing.encodedConfiguration(), to: "backbone/preprocessor_config.json")
        guard let model = backbone as? ONNXBackbone else {
            return try write(tensors: backbone.namedTensors, to: "backbone/model.safetensors")
        }
        for (name, file) in model.files { try copy(file, to: "backbone/\(name)") }
    }

    mutating func copyTextEncoder(from source: URL, to folder: String) throws {
        for name in try TextBackboneSource(source).files {
            try copy(source.appendingPathComponent(name), to: "\(folder)/\(name)")
        }
    }

    mutating func write(_ task: TrainedTask, metrics: [Split: TaskMetrics], plan: Plan) throws {
        let place = "tasks/\(task.data.name)"
        try write(json: task.data.plan, to: "\(place)/task.json")
        try write(json: task.data.labels, to: "\(place)/labels.json")
        try write(
            json: Dictionary(uniqueKeysWithValues: metrics.map { ($0.key.rawValue, $0.value) }), to: "\(place)/metrics.json")
        try write(tensors: task.branch.head.namedTensors, to: "\(place)/head.safetensors")
        let adapter = task.branch.adapter is SharedView ? [] : task.branch.adapter.namedTensors
        if let lora = task.branch.adapter as? InlineAdapter<LoRASet> {
            try write(lora.change.named(for: plan.backbone.architecture), to: place)
        } else if !adapter.isEmpty {
            try write(tensors: adapter, to: "\(place)/\(Bundle.adapterFile)")
        }
        try write(Data(Self.readme(task, metrics, plan).utf8), to: "\(place)/README.md")
    }

    mutating func write(json value: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try write(encoder.encode(value), to: path)
    }

    mutating func write(tensors: [(name: String, tensor: Tensor, isParameter: Bool)], to path: String) throws {
        let named = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor) })
        let url = try place(path)
        try SafetensorsFile.write(named, metadata: ["format": "pt"], to: url)
        digests[path] = try FileDigest.ofFile(url)
    }

    /// Writes PEFT's folder.
    private mutating func write(_ set: LoRASet, to path: String) throws {
        try set.write(to: folder.appendingPathComponent(path))
        for name in ["adapter_config.json", Bundle.adapterFile] {
            digests["\(path)/\(name)"] = try FileDigest.ofFile(folder.appendingPathComponent("\(path)/\(name)"))
        }
    }

    private mutating func write(_ data: Data, to path: String) throws {
        try AtomicFile.write(data, to: place(path))
        digests[path] = FileDigest.of(data)
    }

    private mutating func copy(_ file: URL, to path: String) throws {
        let (source, url) = (try MappedFile(file), try place(path))
        _ = try AtomicFile.write(to: url) { try $0.write(source.bytes) }
        digests[path] = try FileDigest.ofFile(url)
    }

    /// Takes over every file of the folder `source` but the manifest and those below `removed`: as a second name of the
    /// same bytes where the file system has such, else as a copy.
    ///
    /// - Parameter digests: what is known of those files.
    mutating func takeOver(_ source: URL, digests known: [String: String], without removed: [String]) throws {
        func isRemoved(_ path: String) -> Bool { removed.contains { path == $0 || path.hasPrefix($0 + "/") } }
        for path in try FileManager.default.subpathsOfDirectory(atPath: source.path)
        where path != BundleManifest.name && !isRemoved(path) {
            let (old, new) = (source.appendingPathComponent(path), try place(path))
            if try FileManager.default.attributesOfItem(atPath: old.path)[.type] as? FileAttributeType == .typeDirectory {
                try Folder.make(new)
            } else if Glibc.link(old.path, new.path) != 0 {
                try FileManager.default.copyItem(at: old, to: new)
            }
        }
        for (path, digest) in known where !isRemoved(path) { digests[path] = digest }
    }

    /// Where the file goes, its folder made.
    private func place(_ path: String) throws -> URL {
        let url = folder.appendingPathComponent(path)
        try Folder.make(url.deletingLastPathComponent())
        return url
    }

    /// A model card: what the task does, on what, how well.
    private static func readme(_ task: TrainedTask, _ metrics: [Split: TaskMetrics], _ plan: Plan) -> String {
        let way =
            task.branch.adapter is SharedView
            ? "sharing: \(plan.sharing?.choice.kind ?? "")" : "adapter: \(task.data.plan.adapter.kind)"
        var lines = [
            "# \(task.data.name)", "",
            "A \(task.data.plan.kind.rawValue) branch on a frozen \(plan.backbone.name) (\(way)), "
                + "trained on \(task.data.plan.data.map { "data of its own (\($0.path?.lastPathComponent ?? $0.kind.rawValue))" } ?? "the data '\(plan.name)'").",
            "",
        ]
        if !task.data.labels.isEmpty { lines += ["\(task.data.labels.count) labels, in `labels.json`.", ""] }
        lines += ["| split | metric | value |", "| --- | --- | --- |"]
        for split in Split.allCases {
            for score in metrics[split]?.scores ?? [] {
                lines.append("| \(split.rawValue) | \(score.name) | \(score.value.isFinite ? String(format: "%.4f", score.value) : "n/a") |")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
