import PandoBackbones
import PandoNN
import PandoTensor

/// The LoRAs of several tasks in one pass: all tasks' rows stand one below another, go through the common weights together,
/// and each task's get their own low-rank products.
///
/// For running only: tasks are trained one by one, and their weights stay where they are.
/// - Cost: common weights are read once for all tasks; multiply-adds are those of a pass for each.
/// - Source: Chen et al. 2023, Punica (arXiv:2310.18547), section 3, with rows in a known order.
public struct LoRACrowd: Sharing {
    private let adapters: [InlineAdapter<LoRASet>]

    /// - Returns: `nil` if there are fewer than two adapters, or one is no LoRA of linear layers alone.
    public init?(_ adapters: [any Adapter]) {
        let loras = adapters.compactMap { $0 as? InlineAdapter<LoRASet> }
        guard loras.count > 1, loras.count == adapters.count, loras.allSatisfy(\.change.adaptsLinearLayersAlone) else {
            return nil
        }
        self.init(loras)
    }

    private init(_ adapters: [InlineAdapter<LoRASet>]) { self.adapters = adapters }

    /// The task whose changes begin first: before them, all tasks' blocks are the backbone's own.
    private var first: InlineAdapter<LoRASet> {
        adapters.min { ($0.gradientEntry ?? 0) < ($1.gradientEntry ?? 0) } ?? adapters[0]
    }

    public var taskCount: Int { adapters.count }
    public var featureCount: Int { first.featureCount }
    public var request: FeatureRequest { first.request }
    public var gradientEntry: Int? { first.gradientEntry }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let count = features.count
        let sets = asked.map { adapters[$0.task].change }
        let vectors = first.vectors(from: features.repeated(asked.count)) { $0.adapted(byGroups: sets) }
        return asked.enumerated().map { place, rows in rows.of(vectors.slice(place * count..<(place + 1) * count)) }
    }

    public func keepingFrozenWeights(as type: ElementType) -> LoRACrowd {
        LoRACrowd(adapters.map { $0.keepingFrozenWeights(as: type) })
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for adapter in adapters {
            var adapter = adapter
            adapter.visit(&visitor)
        }
    }
}

/// Adapters of one layer for groups of rows: the first axis holds the groups one after another, all of one size.
struct GroupedAdapter: LinearAdapter {
    /// `nil` for a group that takes what the layer alone gives.
    let groups: [(any OutputAdapter)?]

    func output(of layer: Linear, for input: Tensor) -> Tensor {
        let output = layer(input)
        let count = input.shape[0] / groups.count
        return .concatenated(
            groups.enumerated().map { place, adapter in
                let rows = place * count..<(place + 1) * count
                let own = output.slice(rows)
                return adapter?.adapting(own, of: input.slice(rows), through: layer) ?? own
            })
    }

    /// Different rows would need different layers.
    func merged(into layer: Linear) -> Linear? { nil }
}

extension LoRASet {
    /// Whether nothing but linear layers is changed, and nothing replaced.
    var adaptsLinearLayersAlone: Bool { replaced.isEmpty && adapters.allSatisfy { $0.down.rank == 2 } }
}

extension Module {
    /// The network for rows in groups, each with the adapters of its own set.
    ///
    /// - Precondition: the sets adapt linear layers alone, and were made for a network of these.
    func adapted(byGroups sets: [LoRASet]) -> Self {
        var network = self
        let layers = sets.map(\.layerAdapters)
        network.replaceLayers { path, layer in
            let groups = layers.map { $0[path].map { LoRASet.adapter(of: $0, for: layer) } }
            guard groups.contains(where: { $0 != nil }) else { return nil }
            var adapted = layer
            adapted.adapter = GroupedAdapter(groups: groups)
            return adapted
        } convolution: { _, _ in nil }
        return network
    }
}
