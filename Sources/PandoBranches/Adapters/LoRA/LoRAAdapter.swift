import Foundation
import PandoBackbones
import PandoNN
import PandoTensor

extension LoRASet: NetworkChange {
    public func applied<Network: Module>(to network: Network) -> Network { network.adapted(by: self) }

    public var changedTensors: [String] {
        sites.map { $0.layer + ".weight" } + replaced.keys.map { dialect.ours($0).name }
    }
}

/// Low-rank updates of some layers.
///
/// Modules are named as the network has them; a fused `qkv` is `query`, `key` and `value` as well. Unless told
/// otherwise, the usual modules are adapted, query and value where there is attention.
/// - Source: Hu et al. 2021 (arXiv:2106.09685).
public struct LoRAAdapterConfiguration: InlineConfiguration {
    public static let kind = "lora"
    public static let summary = "low-rank updates of some layers, which merge into them"
    public static let options: [PlanOption<LoRAAdapterConfiguration>] = [
        PlanOption("rank", "of the updates", .integer(1...4096) { $0.rank = $1 }),
        PlanOption(
            "alpha", "updates are scaled by alpha / rank; the rank if left out", .number(0...65536) { $0.alpha = $1 }),
        PlanOption(
            "targets", "names of the adapted modules, as in [query, value], or all-linear", .texts { $0.targets = $1 }),
        PlanOption("layers", "numbers of the adapted blocks; all if left out", .texts { $0.layers = $1 }),
        PlanOption("ranks", "other ranks for some modules, as in ['layer.0.*query=16']", .texts { $0.ranks = $1 }),
        PlanOption("rslora", "scale by alpha / √rank instead", .flag { $0.usesRankStabilizedScale = $1 }),
        PlanOption("dora", "train each row's length apart from its direction", .flag { $0.tracksMagnitude = $1 }),
    ]

    public var rank = 8
    public var alpha: Double?
    public var targets: [String] = []
    public var layers: [String] = []
    public var ranks: [String] = []
    public var usesRankStabilizedScale = false
    public var tracksMagnitude = false

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> LoRASet
    {
        let (rankPattern, numbers) = try (parsedRanks(), parsedLayers())
        let dialect = dialect(for: network)
        var configuration = LoRAConfiguration(
            rank: rank, alpha: alpha, targets: try chosenTargets(in: network, dialect), rankPattern: rankPattern,
            usesRankStabilizedScale: usesRankStabilizedScale, tracksMagnitude: tracksMagnitude)
        configuration.layers = numbers
        configuration.excluded = .names(network.idleModules)
        let set = try LoRASet(on: network, configuration, dialect: dialect, using: &generator)
        for key in rankPattern.keys.sorted() where try !Self.means(key, amongst: set.sites) {
            throw AdapterError(
                Self.kind,
                "ranks: '\(key)' means none of the adapted modules, as \(set.sites[0].name); it is a regular expression "
                    + "for the end of a name")
        }
        let unknown = unknownTargets(in: set)
        if unknown.isEmpty { return set }
        let known = LoRASet.sample(network.adaptableLayers, dialect)
        throw AdapterError(Self.kind, "no layer is called \(unknown.joined(separator: ", ")); the network has \(known)")
    }

    /// The network's own names where they are what is asked for; else those with query, key and value apart.
    private func dialect(for network: some Module) -> Dialect {
        let names = network.adaptableLayers.keys
        let isOwn = targets.allSatisfy { target in names.contains { $0 == target || $0.hasSuffix("." + target) } }
        return isOwn && !targets.isEmpty ? .own : .apart(in: network)
    }

    private func chosenTargets(in network: some Module, _ dialect: Dialect) throws(AdapterError)
        -> LoRAConfiguration.Targets
    {
        switch targets {
        case []: try LoRAConfiguration.usualTargets(of: network, in: dialect)
        case ["all-linear"]: .allLinear
        default: .names(targets)
        }
    }

    private static func means(_ key: String, amongst sites: [LoRASet.Site]) throws(AdapterError) -> Bool {
        for site in sites where try LoRAConfiguration.isMeant(site.name, by: key) { return true }
        return false
    }

    /// Targets that none of the adapted modules is called.
    private func unknownTargets(in set: LoRASet) -> [String] {
        if targets == ["all-linear"] { return [] }
        return targets.filter { target in
            !set.sites.contains { $0.name == target || $0.name.hasSuffix("." + target) }
        }
    }

    private func parsedLayers() throws(AdapterError) -> [Int]? {
        let numbers = layers.compactMap { Int($0) }
        if numbers.count < layers.count {
            throw AdapterError(
                Self.kind, "layers is [\(layers.joined(separator: ", "))], expected numbers of blocks, as in [0, 1]")
        }
        return numbers.isEmpty ? nil : numbers
    }

    private func parsedRanks() throws(AdapterError) -> [String: Int] {
        var pattern: [String: Int] = [:]
        for entry in ranks {
            let parts = entry.split(separator: "=")
            guard parts.count == 2, let rank = Int(parts[1]), rank > 0 else {
                throw AdapterError(Self.kind, "ranks holds '\(entry)', expected a module and a rank, as in 'query=16'")
            }
            pattern[String(parts[0])] = rank
        }
        return pattern
    }
}

extension Dialect {
    /// The network's own names, but for a fused `qkv`, whose parts are `query`, `key` and `value`.
    static func apart(in network: some Module) -> Dialect {
        let fused = network.adaptableLayers.filter { path, layer in
            path.hasSuffix("qkv") && layer.weight.shape[0] % 3 == 0
        }
        return Dialect(
            "pando",
            rules: fused.keys.sorted().map { path in
                Rule(["query", "key", "value"].map { path.dropLast(3) + $0 }, path)
            })
    }
}

extension BlockwiseBackbone {
    /// Linear layers and convolutions that the pooled vector does not depend on.
    var idleModules: [String] {
        let used = pooledParameters
        return adaptableLayers.keys.filter { !used.contains($0 + ".weight") }.sorted()
    }
}
