import PandoBackbones
import PandoBranches
import PandoNN
import PandoTensor

/// Moment probing, or one of its moments alone.
struct PartialMomentProbing: AdapterConfiguration {
    enum Moments: String, Sendable, Hashable, Codable, CaseIterable { case first, second, both }

    static let kind = "moment-probing-part"
    static let summary = "moment probing of 256 features, or one of its moments alone"
    static let options: [PlanOption<PartialMomentProbing>] = []

    private var kept = Moments.both

    init() {}
    init(_ kept: Moments) { self.kept = kept }

    func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        var configuration = MomentProbingConfiguration()
        configuration.width = 256
        let made = try configuration.makeAdapter(on: backbone, vectorLength: vectorLength, using: &generator)
        guard let probing = made as? MomentProbing else { stop("moment probing made a \(type(of: made))") }
        return Self.adapter(probing, keeping: kept, vectorLength: vectorLength)
    }

    static func adapter(_ probing: MomentProbing, keeping kept: Moments, vectorLength: Int) -> any Adapter {
        switch kept {
        case .both: probing
        case .first: FirstMoment(norm: probing.norm, featureCount: vectorLength)
        case .second: SecondMoments(probing: probing, vectorLength: vectorLength)
        }
    }
}

/// The vector alone, normalised as moment probing does.
private struct FirstMoment: Adapter {
    var norm: LayerNorm?
    let featureCount: Int

    var request: FeatureRequest { .vector }

    func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        (norm?(features.pooled) ?? features.pooled).cast(to: .float32)
    }

    mutating func visit(_ visitor: inout some Visitor) { visitor.module("norm", &norm) }
}

/// What moment probing makes beside the vector.
private struct SecondMoments: Adapter {
    var probing: MomentProbing
    let vectorLength: Int

    var request: FeatureRequest { probing.request }
    var featureCount: Int { probing.featureCount - vectorLength }

    func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        probing(features, during: pass).slice(vectorLength..<probing.featureCount, along: 1)
    }

    mutating func visit(_ visitor: inout some Visitor) { visitor.module("second", &probing.second) }
}
