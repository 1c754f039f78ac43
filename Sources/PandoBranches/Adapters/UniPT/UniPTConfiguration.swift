import PandoBackbones
import PandoNN
import PandoTensor

/// UniPT's options.
public struct UniPTConfiguration: AdapterConfiguration {
    /// What the states are fused under.
    public enum Guide: String, Sendable, Hashable, Codable, CaseIterable {
        /// The deepest state, place by place.
        case state
        /// The vector of the frozen pass.
        case vector
    }

    /// How the fused states come back to the guide.
    public enum Projection: String, Sendable, Hashable, Codable, CaseIterable {
        case direct
        /// Through a layer as wide as the output.
        case expanded
    }

    /// How tokens or places become a vector.
    public enum Pooling: String, Sendable, Hashable, Codable, CaseIterable {
        case mean
        case gpo
    }

    public static let kind = "unipt"
    public static let summary = "a parallel network that fuses the frozen states under the deepest one"
    public static let options: [PlanOption<UniPTConfiguration>] = [
        PlanOption(
            "width", "of the side network (a quarter of the tokens', 64 for maps)", .integer(1...8192) { $0.width = $1 }),
        PlanOption("output", "length of the vector (as the deepest state)", .integer(1...65536) { $0.output = $1 }),
        PlanOption(
            "taps", "the states it reads (every tokens', or the last map of each stride)", .texts { $0.taps = $1 }),
        PlanOption(
            "guide", "what states are fused under: the deepest `state`, or the `vector`",
            .choice(Guide.allCases.map(\.rawValue)) { $0.guide = Guide(rawValue: $1) ?? $0.guide }),
        PlanOption(
            "place", "with guide `vector`, the token that the vector is made of",
            .choice(UniPTVector.Place.allCases.map(\.rawValue)) {
                $0.place = UniPTVector.Place(rawValue: $1) ?? $0.place
            }),
        PlanOption(
            "projection", "the way of fused tokens to the guide: `direct`, or through an `expanded` layer",
            .choice(Projection.allCases.map(\.rawValue)) { $0.projection = Projection(rawValue: $1) ?? $0.projection }),
        PlanOption(
            "pooling", "how tokens or places become a vector: their `mean`, or learned weights of ranks (`gpo`)",
            .choice(Pooling.allCases.map(\.rawValue)) { $0.pooling = Pooling(rawValue: $1) ?? $0.pooling }),
        PlanOption("interaction", "whether tokens see those of other states", .flag { $0.interaction = $1 }),
        PlanOption("confidence", "whether states are weighed", .flag { $0.confidence = $1 }),
    ]

    public var width: Int?
    public var output: Int?
    public var taps: [Tap.Name] = []
    public var guide = Guide.state
    public var place = UniPTVector.Place.first
    public var projection = Projection.direct
    public var pooling = Pooling.mean
    public var interaction = true
    public var confidence = true

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        let states = try StateTaps(of: backbone, named: taps, atLeast: guide == .state ? 2 : 1, for: Self.kind)
        try check(states)
        let narrow = width ?? states.sideWidth
        if guide == .vector {
            return UniPTVector(
                reading: states.names, channels: states.channels, vectorLength: vectorLength, width: narrow, place: place,
                weighsStates: confidence, interacts: interaction, using: &generator)
        }
        let wide = output ?? states.last.channels
        if let rates = states.rates {
            let side = UniPTMaps(
                channels: states.channels, rates: rates, width: narrow, weighsStates: confidence, interacts: interaction,
                using: &generator)
            return adapter(beside: side, reading: states, narrow, wide, using: &generator)
        }
        let side = UniPTTokens(
            channels: states.channels, width: narrow, projectingThrough: projection == .expanded ? wide : nil,
            weighsStates: confidence, interacts: interaction, using: &generator)
        return adapter(beside: side, reading: states, narrow, wide, using: &generator)
    }

    private func check(_ states: StateTaps) throws(AdapterError) {
        var problems: [String] = []
        if guide == .vector && states.rates != nil {
            problems.append("`guide: vector` is for tokens, and \(states.last.name) is a map: leave it out")
        }
        if guide == .vector && output != nil {
            problems.append("with `guide: vector` the output is as long as the vector: leave out `output`")
        }
        if guide == .vector && pooling == .gpo {
            problems.append("with `guide: vector` there is nothing to pool: leave out `pooling`")
        }
        if projection == .expanded && (guide == .vector || states.rates != nil) {
            problems.append("`projection: expanded` is for tokens under `guide: state`; here only `direct` goes")
        }
        if !problems.isEmpty { throw AdapterError(Self.kind, problems) }
    }

    private func adapter<Side: UniPTSide>(
        beside side: Side, reading states: StateTaps, _ narrow: Int, _ wide: Int, using generator: inout SeededGenerator
    ) -> UniPT<Side> {
        let up = Linear(narrow, wide, using: &generator)
        return UniPT(
            reading: states.names, side: side, up: up, rectifies: projection == .direct,
            pooling: pooling == .gpo ? GeneralizedPooling(using: &generator) : nil)
    }
}
