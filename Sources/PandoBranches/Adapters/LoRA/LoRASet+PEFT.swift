import Foundation
import PandoBackbones
import PandoNN
import PandoTensor

/// Reading and writing PEFT's folders.
///
/// | file | holds |
/// |---|---|
/// | `adapter_config.json` | `LoRAConfiguration` |
/// | `adapter_model.safetensors` | `base_model.model.MODULE.lora_A.weight` `[r, in]`, `.lora_B.weight` `[out, r]`, `.lora_B.bias`, `.lora_magnitude_vector` `[out]` (DoRA), `.base_layer.bias` or `.bias` (trained biases), saved modules under their own names |
/// | `README.md` | a model card |
///
/// MODULE is the network's own path in the library that wrote it, so one dialect of the network's family reads it.
extension LoRASet {
    private static let root = "base_model.model."

    /// Reads an adapter for a network.
    ///
    /// - Parameters:
    ///   - folder: holds `adapter_config.json` and `adapter_model.safetensors`.
    ///   - architecture: the network's, whose dialects are tried.
    /// - Throws: `AdapterError` naming every tensor that is missing, left over or of another shape, every module that the
    ///   network does not have, and every key of the configuration that cannot be followed; `CheckpointError`.
    public init(_ folder: URL, for network: some Module, _ architecture: Architecture) throws {
        let configuration = try LoRAConfiguration(folder.appendingPathComponent("adapter_config.json"))
        let file = folder.appendingPathComponent("adapter_model.safetensors")
        var tensors: [String: Tensor] = [:]
        for (name, tensor) in try SafetensorsFile(file).tensors {
            guard name.hasPrefix(Self.root) else {
                throw AdapterError(file.path, "'\(name)' does not begin with \(Self.root), as PEFT's names do")
            }
            tensors[String(name.dropFirst(Self.root.count))] = tensor
        }
        let layers = network.adaptableLayers
        let modules = tensors.keys.compactMap { Self.suffix(of: $0)?.module }
        let dialect = Self.dialect(of: modules, among: layers, architecture)
        var reading = Reading(
            configuration: configuration, dialect: dialect, prefix: Self.prefix(of: modules, dialect), layers: layers,
            ownShapes: Dictionary(uniqueKeysWithValues: network.namedTensors.map { ($0.name, $0.tensor.shape) }))
        try reading.take(tensors)
        if !reading.problems.isEmpty { throw AdapterError(file.path, reading.problems) }
        self.init(
            configuration, dialect, reading.prefix, reading.sites, reading.adapters, replaced: reading.replaced,
            additional: reading.additional)
    }

    /// Writes the folder that PEFT's `PeftModel.from_pretrained` reads, into `folder`, which exists.
    /// - Throws: `FileError`.
    public func write(to folder: URL) throws {
        var tensors: [String: Tensor] = [:]
        for (site, adapter) in zip(sites, adapters) {
            for (name, tensor, _) in adapter.namedTensors {
                tensors[Self.root + site.name + "." + name] = tensor
            }
        }
        let adapted = Set(sites.map(\.name))
        for (name, tensor) in replaced {
            let (module, last) = Self.split(name)
            tensors[Self.root + (adapted.contains(module) ? "\(module).base_layer.\(last)" : name)] = tensor
        }
        for (name, tensor) in additional { tensors[Self.root + name] = tensor }
        try SafetensorsFile.write(
            tensors, metadata: ["format": "pt"], to: folder.appendingPathComponent("adapter_model.safetensors"))
        try AtomicFile.write(configuration.encodedFile(), to: folder.appendingPathComponent("adapter_config.json"))
        try AtomicFile.write(card, to: folder.appendingPathComponent("README.md"))
    }

    /// The set stored in another dialect's names: for another library, or another version of one.
    ///
    /// - Throws: `AdapterError` if that dialect fuses what is adapted apart here.
    public func renamed(in dialect: Dialect, prefix: String) throws(AdapterError) -> LoRASet {
        var problems: [String] = []
        let sites = sites.map { site in
            let names = dialect.theirs(site.layer).names
            if names.count != site.partCount {
                problems.append("\(site.name) is part of \(names.joined(separator: ", ")) there")
            }
            return Site(
                layer: site.layer, part: site.part, partCount: site.partCount,
                name: prefix + names[min(site.part, names.count - 1)])
        }
        if !problems.isEmpty { throw AdapterError("the names of \(dialect.name)", problems) }
        var configuration = configuration
        configuration.targets = .names(sites.map(\.name).sorted())
        (configuration.excluded, configuration.layers, configuration.layerLists) = (nil, nil, [])
        (configuration.rankPattern, configuration.alphaPattern) = ([:], [:])
        for (site, adapter) in zip(sites, adapters) {
            let escaped = NSRegularExpression.escapedPattern(for: site.name)
            if adapter.rank != configuration.rank { configuration.rankPattern[escaped] = adapter.rank }
            let rank = Float(adapter.rank)
            let alpha = adapter.scale * (configuration.usesRankStabilizedScale ? rank.squareRoot() : rank)
            if abs(Double(alpha) - configuration.alpha) > 1e-6 * abs(configuration.alpha) {
                configuration.alphaPattern[escaped] = Double(alpha)
            }
        }
        var replaced: [String: Tensor] = [:]
        for (name, tensor) in self.replaced {
            let place = self.dialect.ours(name)
            let names = dialect.theirs(place.name).names
            guard names.count == place.partCount else {
                throw AdapterError("the names of \(dialect.name)", "\(name) is part of \(names.joined(separator: ", ")) there")
            }
            let isPrefixed = !self.prefix.isEmpty && name.hasPrefix(self.prefix)
            replaced[(isPrefixed ? prefix : "") + names[place.part]] = tensor
        }
        return LoRASet(configuration, dialect, prefix, sites, adapters, replaced: replaced, additional: additional)
    }

    /// Module and kind of a tensor that belongs to an adapter.
    fileprivate static func suffix(of name: String) -> (module: String, kind: String)? {
        for kind in ["lora_A.weight", "lora_B.weight", "lora_B.bias", "lora_magnitude_vector"]
        where name.hasSuffix("." + kind) {
            return (String(name.dropLast(kind.count + 1)), kind)
        }
        return nil
    }

    private static func split(_ name: String) -> (module: String, last: String) {
        guard let dot = name.lastIndex(of: ".") else { return ("", name) }
        return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }

    /// The dialect in which most modules are layers of the network.
    private static func dialect(
        of modules: [String], among layers: [String: AdaptableLayer], _ architecture: Architecture
    ) -> Dialect {
        func known(_ dialect: Dialect) -> Int { modules.count { layers[dialect.ours($0).name] != nil } }
        return (architecture.dialects + [.own]).max { known($0) < known($1) } ?? .own
    }

    /// What stands before the first module's name.
    private static func prefix(of modules: [String], _ dialect: Dialect) -> String {
        guard let module = modules.min() else { return "" }
        return String(module.dropLast(dialect.unprefixed(module).utf8.count))
    }

    private var card: String {
        let base = configuration.baseModel
        let front = (base.map { ["base_model: \($0)"] } ?? []) + [
            "library_name: peft", "tags:", base.map { "- base_model:adapter:\($0)" } ?? "", "- lora",
        ].filter { !$0.isEmpty }
        return """
            ---
            \(front.joined(separator: "\n"))
            ---

            # LoRA

            \(sites.count) layers are adapted, with \(adapters.reduce(0) { $0 + $1.parameterCount }) numbers. Written by Pando in PEFT's format.

            """
    }
}

/// Takes an adapter file apart.
private struct Reading {
    let configuration: LoRAConfiguration
    let dialect: Dialect
    let prefix: String
    let layers: [String: AdaptableLayer]
    /// The shapes of the network's tensors.
    let ownShapes: [String: [Int]]
    var sites: [LoRASet.Site] = []
    var adapters: [LoRA] = []
    var replaced: [String: Tensor] = [:]
    var additional: [String: Tensor] = [:]
    var problems: [String] = []

    mutating func take(_ tensors: [String: Tensor]) throws {
        var parts: [String: [String: Tensor]] = [:]
        var others: [String: Tensor] = [:]
        for (name, tensor) in tensors {
            if let (module, kind) = LoRASet.suffix(of: name) {
                parts[module, default: [:]][kind] = tensor
            } else {
                others[name] = tensor
            }
        }
        for (module, tensors) in parts.sorted(by: { $0.key < $1.key }) { try takeAdapter(of: module, tensors) }
        try checkTargets()
        takeReplaced(others)
    }

    private mutating func takeAdapter(of module: String, _ tensors: [String: Tensor]) throws {
        let place = dialect.ours(module)
        guard let layer = layers[place.name] else {
            problems.append("\(module) is no layer of this network, which has \(LoRASet.sample(layers, dialect))")
            return
        }
        guard dialect.theirs(place.name).rule?.shares.isEmpty ?? true else {
            problems.append("\(module) is one of several parts of \(place.name) that differ in size; LoRA cannot adapt it here")
            return
        }
        guard let down = tensors["lora_A.weight"], let up = tensors["lora_B.weight"] else {
            problems.append("\(module) has only \(tensors.keys.sorted().joined(separator: ", ")); expected lora_A.weight and lora_B.weight")
            return
        }
        let site = LoRASet.Site(layer: place.name, part: place.part, partCount: place.partCount, name: module)
        let weight = site.rows(of: layer.weight)
        let rank = try configuration.rank(of: module)
        let ones = [Int](repeating: 1, count: weight.rank - 2)
        var expected: [(String, [Int])] = [
            ("lora_A.weight", [rank] + weight.shape.dropFirst()), ("lora_B.weight", [weight.shape[0], rank] + ones),
        ]
        if configuration.hasUpBias { expected.append(("lora_B.bias", [weight.shape[0]])) }
        if configuration.tracksMagnitude {
            expected.append(("lora_magnitude_vector", ones.isEmpty ? [weight.shape[0]] : [1, weight.shape[0], 1, 1]))
        }
        if layer.groups > 1 {
            problems.append("\(module) is a convolution in \(layer.groups) groups, which LoRA cannot adapt")
            return
        }
        var isFitting = true
        for (kind, shape) in expected where tensors[kind]?.shape != shape {
            let found = tensors[kind].map { "has shape \($0.shape)" } ?? "is missing"
            problems.append("\(module).\(kind) \(found), expected \(shape)")
            isFitting = false
        }
        for kind in tensors.keys.sorted() where !expected.contains(where: { $0.0 == kind }) {
            problems.append("\(module).\(kind) is left over: the configuration does not ask for it")
            isFitting = false
        }
        guard isFitting else { return }
        sites.append(site)
        adapters.append(
            LoRA(
                down: down, up: up, upBias: tensors["lora_B.bias"], magnitude: tensors["lora_magnitude_vector"],
                scale: try configuration.scale(of: module)))
    }

    /// Every layer that the configuration means has its adapter in the file.
    private mutating func checkTargets() throws {
        let found = Set(sites.map(\.name))
        for site in try LoRASet.targets(of: configuration, among: layers, dialect, prefix) {
            if !found.contains(site.name), !problems.contains(where: { $0.hasPrefix(site.name) }) {
                problems.append("\(site.name).lora_A.weight is missing; the configuration's target_modules mean this layer")
            }
        }
        if sites.isEmpty, problems.isEmpty { problems.append("holds no adapter") }
    }

    /// Biases and whole modules: they replace the network's where it has them.
    private mutating func takeReplaced(_ tensors: [String: Tensor]) {
        for (stored, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            let name = stored.replacingOccurrences(of: ".base_layer.", with: ".")
            let isSaved = configuration.savedModules.contains { name.hasPrefix($0 + ".") || name.contains("." + $0 + ".") }
            let place = dialect.ours(name)
            guard var expected = ownShapes[place.name] else {
                if isSaved { additional[name] = tensor } else {
                    problems.append("\(stored) \(tensor.shape) is left over: the network has no such tensor")
                }
                continue
            }
            if place.partCount > 1 { expected[0] /= place.partCount }
            // A module that is saved whole may know another number of classes.
            guard tensor.shape == expected || isSaved && tensor.rank == expected.count else {
                problems.append("\(stored) has shape \(tensor.shape), expected \(expected)")
                continue
            }
            replaced[name] = tensor
        }
    }
}
