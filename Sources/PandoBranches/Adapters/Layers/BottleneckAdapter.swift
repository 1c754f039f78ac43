import PandoBackbones
import PandoNN
import PandoTensor

/// Narrow perceptrons behind layers of the blocks, or beside their perceptrons.
public struct BottleneckChange: NetworkChange {
    private let serialSites: [LayerSite]
    private var serial: [Bottleneck]
    /// The first and the last layer of each perceptron that has one beside it.
    private let parallelSites: [(first: LayerSite, last: LayerSite)]
    private var parallel: [ParallelBottleneck]

    /// Behind the given layers.
    init(behind sites: [LayerSite], reduction: Int, using generator: inout SeededGenerator) {
        serialSites = sites
        serial = sites.map { Bottleneck($0.outFeatures, width: max(1, $0.outFeatures / reduction), using: &generator) }
        (parallelSites, parallel) = ([], [])
    }

    /// Beside the perceptrons between the given layers.
    init(
        beside sites: [(first: LayerSite, last: LayerSite)], reduction: Int, scale: Float,
        using generator: inout SeededGenerator
    ) {
        (serialSites, serial) = ([], [])
        parallelSites = sites
        parallel = sites.map { first, last in
            ParallelBottleneck(
                first.inFeatures, last.outFeatures, width: max(1, first.inFeatures / reduction), scale: scale,
                using: &generator)
        }
    }

    public var changedTensors: [String] { (serialSites + parallelSites.map(\.first)).map { $0.path + ".weight" } }

    public func applied<Network: Module>(to network: Network) -> Network {
        var layers: [String: any LinearAdapter] = [:]
        var convolutions: [String: any ConvolutionAdapter] = [:]
        for (site, adapter) in zip(serialSites, serial) {
            if site.isConvolution { convolutions[site.path] = adapter } else { layers[site.path] = adapter }
        }
        for ((first, last), adapter) in zip(parallelSites, parallel) {
            layers[first.path] = ParallelBottleneck.Widening(down: adapter.down)
            layers[last.path] = ParallelBottleneck.Narrowing(up: adapter.up.weight * adapter.scale)
        }
        return network.with(layers, convolutions: convolutions)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        for (index, site) in serialSites.enumerated() { visitor.module(site.path, &serial[index]) }
        for (index, sites) in parallelSites.enumerated() { visitor.module(sites.last.path, &parallel[index]) }
    }
}

/// Narrow perceptrons in the blocks, as adapters were at first.
///
/// - Source: Houlsby et al. 2019 (arXiv:1902.00751), serial, behind attention and perceptron; Pfeiffer et al. 2021
///   (arXiv:2005.00247), behind the perceptron alone; He et al. 2022 (arXiv:2110.04366), parallel to the perceptron.
public struct BottleneckConfiguration: InlineConfiguration {
    public static let kind = "bottleneck"
    public static let summary = "narrow perceptrons behind the layers of each block, or beside its perceptron"
    public static let options: [PlanOption<BottleneckConfiguration>] = [
        PlanOption(
            "form", "behind attention and perceptron, behind the perceptron alone, or beside it",
            .choice(["serial", "pfeiffer", "parallel"]) { $0.form = $1 }),
        PlanOption("reduction", "how many times narrower than the layer", .integer(1...4096) { $0.reduction = $1 }),
        PlanOption("scale", "of what is added beside", .number(0...1000) { $0.scale = $1 }),
    ]

    public var form = "serial"
    public var reduction = 16
    public var scale = 4.0

    public init() {}

    func makeChange<Network: BlockwiseBackbone>(of network: Network, using generator: inout SeededGenerator)
        throws(AdapterError) -> BottleneckChange
    {
        if form == "parallel" {
            let pairs = zip(network.sites(of: .expansion), network.sites(of: .contraction)).map { (first: $0, last: $1) }
            guard !pairs.isEmpty, network.hasPlainPerceptrons else {
                throw AdapterError(
                    Self.kind, "\(Network.self) has no perceptrons of two plain layers to stand beside; form: serial works")
            }
            return BottleneckChange(beside: pairs, reduction: reduction, scale: Float(scale), using: &generator)
        }
        var sites = network.sites(of: .contraction)
        if form == "serial" { sites += network.sites(of: .attentionOutput) }
        if sites.isEmpty { sites = network.sites(of: .convolutionOutput) }
        guard !sites.isEmpty else {
            throw AdapterError(Self.kind, "\(Network.self) has neither perceptrons nor convolutions in its blocks")
        }
        return BottleneckChange(behind: sites, reduction: reduction, using: &generator)
    }
}
