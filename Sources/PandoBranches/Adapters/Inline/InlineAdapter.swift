import PandoBackbones
import PandoNN
import PandoTensor

/// An adapter whose changes lie inside the network.
public protocol NetworkAdapter: Adapter {
    /// The network with the changes in it, which share the frozen weights.
    var adaptedBackbone: any Backbone { get }

    /// The same function as a network of plain layers, as fast as before; `nil` if the changes are not of that kind.
    var mergedBackbone: (any Backbone)? { get }
}

/// A change inside a backbone, trained while the rest stays frozen.
///
/// It reads the frozen pass just before the first block that the change touches, and runs what follows itself; where the
/// first block is touched, or what comes before it, it reads the input and runs the whole network. The vector is the
/// network's pooled one.
/// - Cost: what comes before the first change can be stored; what follows is run forward and backward.
public struct InlineAdapter<Change: NetworkChange>: NetworkAdapter {
    /// What is trained.
    public var change: Change
    public let request: FeatureRequest
    public let gradientEntry: Int?
    /// Frozen, and so not visited.
    private var backbone: any BlockwiseBackbone
    /// What a whole pass computes in; `nil` for what the input is embedded as.
    private var precision: ElementType?

    /// - Precondition: the change was made for this backbone.
    public init(_ change: Change, on backbone: any BlockwiseBackbone) {
        let entry = change.changedTensors.map(backbone.tapIndex(ofTensor:)).min() ?? 0
        (self.change, self.backbone, gradientEntry) = (change, backbone, entry)
        request = entry == 0 ? .input : FeatureRequest(taps: [backbone.taps[entry - 1].name])
    }

    public var featureCount: Int { backbone.pooledFeatures }

    public var adaptedBackbone: any Backbone { adapted(backbone) }

    public var mergedBackbone: (any Backbone)? {
        func merged(_ network: some Backbone) -> (any Backbone)? { change.applied(to: network).mergingAdapters() }
        return merged(backbone)
    }

    public func keepingFrozenWeights(as type: ElementType) -> Self {
        var adapter = self
        (adapter.backbone, adapter.precision) = (
            backbone.keepingWeights(
                as: type, fromBlock: request.taps.isEmpty ? 0 : gradientEntry ?? 0, without: Set(change.replacedTensors)),
            type
        )
        return adapter
    }

    public func ready(toComputeIn type: ElementType) -> Self {
        var adapter = self
        adapter.change = change.ready(toComputeIn: type)
        return adapter
    }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        vectors(from: features, through: adapted(backbone), during: change.followsStatistics ? pass : nil)
    }

    /// The vectors that another network gives which was made of the frozen one, from the same features.
    func vectors(from features: Features, changing make: (any BlockwiseBackbone) -> any BlockwiseBackbone) -> Tensor {
        vectors(from: features, through: make(backbone), during: nil)
    }

    private func vectors(
        from features: Features, through network: any BlockwiseBackbone, during pass: TrainingPass?
    ) -> Tensor {
        if let start = request.taps.first {
            return network.features(continuing: features[start], from: start, mask: features.mask, during: pass)
                .pooled.cast(to: .float32)
        }
        guard let input = features.input else { stop("\(Self.self) runs the whole network, and there is no input") }
        let features =
            precision.map { network.features(of: input, computingIn: $0, during: pass) }
            ?? network.features(of: input, reading: [], during: pass)
        return features.pooled.cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) { change.visit(&visitor) }

    private func adapted(_ network: some BlockwiseBackbone) -> any BlockwiseBackbone { change.applied(to: network) }
}
