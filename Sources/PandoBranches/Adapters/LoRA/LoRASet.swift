import PandoBackbones
import PandoNN
import PandoTensor

/// Low-rank adapters of a network's layers, and what was trained beside them.
///
/// The set belongs to a branch; the network stays as it is: `network.adapted(by: set)` is a new value that shares every
/// weight. Several sets on one network know nothing of each other, and there is nothing to unload.
/// - Source: names and layout of the files are PEFT's.
public struct LoRASet: Module {
    /// A layer of the network, or some rows of it where the network fuses what others keep apart.
    public struct Site: Sendable, Hashable {
        /// The layer's path in our network.
        public let layer: String
        /// Which of how many equal parts along the weight's rows.
        public let part, partCount: Int
        /// What the dialect in which the set is stored calls it.
        public let name: String
    }

    public let configuration: LoRAConfiguration
    /// How the names in the set's files are to be read.
    public let dialect: Dialect
    /// What stands before the modules' names in the files, as in `vit.`.
    public let prefix: String
    public let sites: [Site]
    var adapters: [LoRA]
    /// Tensors that replace the network's, or some rows of them: trained biases, whole modules. By the file's names
    /// without PEFT's prefix.
    public var replaced: [String: Tensor]
    /// Saved modules that the network has no place for, a head above it; by the file's names without PEFT's prefix.
    public var additional: [String: Tensor]

    /// Each adapted layer with its adapter.
    public var layers: [(site: Site, adapter: LoRA)] { zip(sites, adapters).map { (site: $0, adapter: $1) } }

    /// Fresh adapters, which change nothing yet.
    ///
    /// - Parameters:
    ///   - dialect: in whose names `configuration` speaks of modules, and in which the set will be stored.
    /// - Throws: `AdapterError` if no module is meant, a rank is larger than its layer, or a layer cannot be adapted.
    public init(
        on network: some Module, _ configuration: LoRAConfiguration, dialect: Dialect = .own, prefix: String = "",
        using generator: inout some RandomNumberGenerator
    ) throws(AdapterError) {
        let layers = network.adaptableLayers
        let sites = try Self.targets(of: configuration, among: layers, dialect, prefix)
        if sites.isEmpty {
            let blocks = configuration.layers.map { " in blocks " + $0.map(String.init).joined(separator: ", ") } ?? ""
            throw AdapterError(
                "LoRA", "no layer is meant by \(configuration.targets)\(blocks); the network has \(Self.sample(layers, dialect))")
        }
        // What is wrong, and with which modules: all blocks are alike.
        var problems: [(what: String, modules: [String])] = []
        var adapters: [LoRA] = []
        for site in sites {
            guard let layer = layers[site.layer] else { stop("LoRASet: no layer \(site.layer)") }
            let rank = try configuration.rank(of: site.name)
            let weight = site.rows(of: layer.weight)
            let limit = min(weight.shape[0], weight.elementCount / weight.shape[0])
            guard rank <= limit, layer.groups == 1 else {
                let what = layer.groups == 1
                    ? "of shape \(weight.shape) has room for rank \(limit) at most, not \(rank)"
                    : "is a convolution in \(layer.groups) groups, which LoRA cannot adapt"
                if let known = problems.firstIndex(where: { $0.what == what }) {
                    problems[known].modules.append(site.name)
                } else {
                    problems.append((what, [site.name]))
                }
                continue
            }
            adapters.append(
                LoRA(
                    forWeight: weight, rank: rank, scale: try configuration.scale(of: site.name),
                    tracksMagnitude: configuration.tracksMagnitude, using: &generator))
        }
        if !problems.isEmpty {
            throw AdapterError(
                "LoRA",
                problems.map { what, modules in
                    modules[0] + (modules.count > 1 ? ", as \(modules.count - 1) more, " : " ") + what
                })
        }
        self.init(configuration, dialect, prefix, sites, adapters)
    }

    init(
        _ configuration: LoRAConfiguration, _ dialect: Dialect, _ prefix: String, _ sites: [Site], _ adapters: [LoRA],
        replaced: [String: Tensor] = [:], additional: [String: Tensor] = [:]
    ) {
        (self.configuration, self.dialect, self.prefix) = (configuration, dialect, prefix)
        (self.sites, self.adapters, self.replaced, self.additional) = (sites, adapters, replaced, additional)
    }

    /// The layers, and parts of them, that `configuration` means.
    static func targets(
        of configuration: LoRAConfiguration, among layers: [String: AdaptableLayer], _ dialect: Dialect, _ prefix: String
    ) throws(AdapterError) -> [Site] {
        var sites: [Site] = []
        for (path, layer) in layers.sorted(by: { $0.key < $1.key }) {
            let (names, rule) = dialect.theirs(path)
            guard rule?.shares.isEmpty ?? true else { continue }  // parts of different sizes: a query, and key and value
            for (part, name) in names.enumerated()
            where try configuration.isTarget(prefix + name, isLinear: layer.kind == .linear) {
                sites.append(Site(layer: path, part: part, partCount: names.count, name: prefix + name))
            }
        }
        return sites
    }

    /// A few names of layers, for messages.
    static func sample(_ layers: [String: AdaptableLayer], _ dialect: Dialect) -> String {
        let names = layers.keys.sorted().flatMap { dialect.theirs($0).names }
        return names.prefix(6).joined(separator: ", ") + (names.count > 6 ? ", … (\(names.count) in all)" : "")
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for (index, site) in sites.enumerated() { visitor.module("base_model.model." + site.name, &adapters[index]) }
        for name in replaced.keys.sorted() { visitor.parameter("base_model.model." + name, &replaced[name]!) }
        for name in additional.keys.sorted() { visitor.parameter("base_model.model." + name, &additional[name]!) }
    }
}

extension LoRASet.Site {
    /// The rows of a layer's weight or bias that are this site's.
    func rows(of tensor: Tensor) -> Tensor { partCount == 1 ? tensor : tensor.slice(range(of: tensor.shape[0])) }

    func range(of count: Int) -> Range<Int> { LoRASet.range(of: part, among: partCount, rows: count) }
}

extension Module {
    /// The network with the adapters beside its layers: a new value that shares every weight.
    ///
    /// - Precondition: the set was made for a network of these layers.
    public func adapted(by set: LoRASet) -> Self {
        var network = replacing(by: set)
        let layers = set.layerAdapters
        network.replaceLayers { path, layer in
            guard let parts = layers[path] else { return nil }
            var adapted = layer
            adapted.adapter = LoRASet.adapter(of: parts, for: layer)
            return adapted
        } convolution: { path, layer in
            guard let parts = layers[path] else { return nil }
            var adapted = layer
            adapted.adapter = parts[0].adapter
            return adapted
        }
        return network
    }

    /// The network with the adapters added into its weights: plain layers, as fast as before.
    ///
    /// - Precondition: the set was made for a network of these layers.
    public func merged(with set: LoRASet) -> Self {
        var network = replacing(by: set)
        let layers = set.layerAdapters
        network.replaceLayers { path, layer in
            layers[path].flatMap { LoRASet.adapter(of: $0, for: layer).merged(into: layer) }
        } convolution: { path, layer in
            layers[path].flatMap { $0[0].adapter.merged(into: layer) }
        }
        return network
    }

    /// The network that was merged with `set`, without it. Replaced biases and modules stay.
    ///
    /// - Throws: `AdapterError` for DoRA, which forgets the lengths that it replaced.
    public func unmerged(from set: LoRASet) throws(AdapterError) -> Self {
        guard !set.configuration.tracksMagnitude, set.adapters.allSatisfy({ $0.upBias == nil }) else {
            throw AdapterError("unmerging", "a DoRA, or a LoRA with biases, cannot be taken out again; keep the base weights")
        }
        var network = self
        let layers = set.layerAdapters
        func unmerged(_ weight: Tensor, _ parts: [(site: LoRASet.Site, adapter: LoRA)]) -> Tensor {
            var rows = (0..<parts[0].site.partCount).map { part in
                LoRASet.Site(layer: "", part: part, partCount: parts[0].site.partCount, name: "").rows(of: weight)
            }
            for (site, adapter) in parts { rows[site.part] = adapter.unmergedWeight(rows[site.part])! }
            return rows.count == 1 ? rows[0] : .concatenated(rows)
        }
        network.replaceLayers { path, layer in
            layers[path].map { Linear(weight: unmerged(layer.weight, $0), bias: layer.bias) }
        } convolution: { path, layer in
            layers[path].map { parts in
                var plain = layer
                plain.weight = unmerged(layer.weight, parts)
                return plain
            }
        }
        return network
    }

    /// The module with the tensors replaced that were trained whole, or their rows.
    private func replacing(by set: LoRASet) -> Self {
        let parts = set.replacements
        if parts.isEmpty { return self }
        var network = self
        network.updateParameters { name, tensor in
            guard let found = parts[name] else { return tensor }
            if found[0].site.partCount == 1 { return found[0].tensor }
            var rows = (0..<found[0].site.partCount).map { part in
                tensor.slice(LoRASet.range(of: part, among: found[0].site.partCount, rows: tensor.shape[0]))
            }
            for (site, tensor) in found { rows[site.part] = tensor }
            return .concatenated(rows)
        }
        return network
    }
}

extension LoRASet {
    static func range(of part: Int, among count: Int, rows: Int) -> Range<Int> {
        part * (rows / count)..<(part + 1) * (rows / count)
    }

    /// What replaces a tensor of the network, by its name there; in parts where the network fuses several.
    var replacements: [String: [(site: Dialect.Place, tensor: Tensor)]] {
        Dictionary(
            grouping: replaced.map { name, tensor in
                let place = dialect.ours(name)
                return (site: place, tensor: place.isTransposed && tensor.rank == 2 ? tensor.transposed : tensor)
            }, by: \.site.name)
    }

    /// The adapters by layer, each layer's in the order of its parts.
    var layerAdapters: [String: [(site: Site, adapter: LoRA)]] {
        Dictionary(grouping: zip(sites, adapters).map { (site: $0, adapter: $1) }, by: \.site.layer)
            .mapValues { $0.sorted { $0.site.part < $1.site.part } }
    }

    static func adapter(of parts: [(site: Site, adapter: LoRA)], for layer: Linear) -> any OutputAdapter {
        if parts[0].site.partCount == 1 { return parts[0].adapter }
        return RowwiseLoRA(parts: parts.map { ($0.site.range(of: layer.outFeatures), $0.adapter) })
    }
}
