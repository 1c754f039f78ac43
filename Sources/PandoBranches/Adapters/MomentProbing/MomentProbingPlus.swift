import PandoBackbones
import PandoNN
import PandoTensor

/// Moment probing of a network whose blocks are recalibrated.
///
/// - Cost: the whole network is run, forward and backward, in training; `3 · 16 · C` parameters more for each block.
/// - Source: Gao et al. 2023, Moment Probing (ICCV), its "MP+".
public struct MomentProbingPlus: NetworkAdapter {
    public var recalibration: RecalibrationChange
    public var probe: MomentProbing
    /// Frozen, and so not visited.
    private var backbone: any BlockwiseBackbone
    /// What a pass computes in; `nil` for what the input is embedded as.
    private var precision: ElementType?

    init(_ recalibration: RecalibrationChange, probe: MomentProbing, on backbone: any BlockwiseBackbone) {
        (self.recalibration, self.probe, self.backbone) = (recalibration, probe, backbone)
    }

    public var request: FeatureRequest { .input }
    public var gradientEntry: Int? { recalibration.changedTensors.map(backbone.tapIndex(ofTensor:)).min() }
    public var featureCount: Int { probe.featureCount }

    public var adaptedBackbone: any Backbone { adapted(backbone) }
    public var mergedBackbone: (any Backbone)? { nil }

    public func keepingFrozenWeights(as type: ElementType) -> Self {
        var adapter = self
        (adapter.backbone, adapter.precision) = (backbone.keepingWeights(as: type), type)
        return adapter
    }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        guard let input = features.input else { stop("MomentProbingPlus runs the whole network, and there is no input") }
        let network = adapted(backbone)
        let features =
            precision.map { network.features(of: input, computingIn: $0, reading: [probe.tap]) }
            ?? network.features(of: input, reading: [probe.tap], during: nil)
        return probe(features, during: pass)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("recalibration", &recalibration)
        visitor.module("probe", &probe)
    }

    private func adapted(_ network: some BlockwiseBackbone) -> any BlockwiseBackbone { recalibration.applied(to: network) }
}

/// The options of moment probing with recalibrated blocks.
public struct MomentProbingPlusConfiguration: AdapterConfiguration {
    public static let kind = "moment-probing+"
    public static let summary = "moment probing of a network whose perceptrons are scaled and shifted token by token"
    public static let options: [PlanOption<MomentProbingPlusConfiguration>] = [
        PlanOption("width", "features that covariances are taken of", .integer(14...8192) { $0.width = $1 }),
        PlanOption("heads", "parts of the width, each covarying with the next", .integer(2...64) { $0.heads = $1 }),
        PlanOption("hidden", "features that scales and shifts are made of", .integer(1...1024) { $0.hidden = $1 }),
    ]

    public var width = 512
    public var heads = 4
    public var hidden = 16

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        guard let network = backbone as? any BlockwiseBackbone else {
            throw AdapterError(
                Self.kind,
                "\(type(of: backbone)) is no chain of blocks, so its inside cannot be trained; "
                    + "`moment-probing` reads it from outside")
        }
        var probing = MomentProbingConfiguration()
        (probing.width, probing.heads) = (width, heads)
        let sites = network.sites(of: .contraction)
        guard !sites.isEmpty else {
            throw AdapterError(
                Self.kind, "\(type(of: backbone)) has no perceptrons in its blocks; `moment-probing` needs none")
        }
        let probe = try probing.makeProbe(on: backbone, vectorLength: backbone.pooledFeatures, using: &generator)
        let change = RecalibrationChange(behind: sites, hidden: hidden, using: &generator)
        return MomentProbingPlus(change, probe: probe, on: network)
    }
}
