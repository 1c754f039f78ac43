import PandoBackbones
import PandoNN
import PandoTensor

/// SHERL's options.
public struct SHERLConfiguration: AdapterConfiguration {
    /// How tokens are narrowed and widened again.
    public enum Form: String, Sendable, Hashable, Codable, CaseIterable {
        /// A linear layer and a layer norm, both ways.
        case normalized
        /// Gated layers, and a plain one back.
        case gated
    }

    public static let kind = "sherl"
    public static let summary = "early states fused by relevance over redundancy, then the backbone's last blocks"
    public static let options: [PlanOption<SHERLConfiguration>] = [
        PlanOption(
            "width", "of the early route (a quarter of the tokens', 64 for maps)", .integer(1...8192) { $0.width = $1 }),
        PlanOption(
            "late", "last blocks of the backbone that are run on what was fused (1, with guide `vector` none)",
            .integer(0...256) { $0.late = $1 }),
        PlanOption(
            "taps", "the states it reads (every tokens', or the last map of each stride, up to the late blocks)",
            .texts { $0.taps = $1 }),
        PlanOption(
            "form", "layers that narrow tokens: `normalized` or `gated`",
            .choice(Form.allCases.map(\.rawValue)) { $0.form = Form(rawValue: $1) ?? $0.form }),
        PlanOption(
            "guide", "what states are fused under: the deepest `state`, or the `vector`",
            .choice(UniPTConfiguration.Guide.allCases.map(\.rawValue)) {
                $0.guide = UniPTConfiguration.Guide(rawValue: $1) ?? $0.guide
            }),
        PlanOption(
            "place", "with guide `vector`, the token that the vector is made of",
            .choice(UniPTVector.Place.allCases.map(\.rawValue)) {
                $0.place = UniPTVector.Place(rawValue: $1) ?? $0.place
            }),
        PlanOption("redundancy", "whether relevance is divided by redundancy", .flag { $0.redundancy = $1 }),
        PlanOption(
            "dropout", "share of the fused features dropped in training", .number(0...0.95) { $0.dropout = $1 }),
    ]

    public var width: Int?
    public var late: Int?
    public var taps: [Tap.Name] = []
    public var form = Form.normalized
    public var guide = UniPTConfiguration.Guide.state
    public var place = UniPTVector.Place.first
    public var redundancy = true
    public var dropout = 0.0

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        let late = late ?? (guide == .state ? 1 : 0)
        try check(late, on: backbone)
        let states = try StateTaps(
            of: backbone, named: taps, among: backbone.taps.count - late, atLeast: guide == .state ? 2 : 1, for: Self.kind)
        let start = backbone.taps[backbone.taps.count - late - 1].name
        guard late == 0 || states.last.name == start else {
            throw AdapterError(
                Self.kind, "the last \(late) blocks go on from \(start): name that tap too, or set `late: 0`")
        }
        if form == .gated && (guide == .vector || states.rates != nil) {
            throw AdapterError(Self.kind, "`form: gated` is for tokens under `guide: state`; leave it out here")
        }
        if guide == .vector && states.rates != nil {
            throw AdapterError(Self.kind, "`guide: vector` is for tokens, and \(states.last.name) is a map: leave it out")
        }
        let narrow = width ?? states.sideWidth
        if guide == .vector {
            return SHERLVector(
                reading: states.names, channels: states.channels, vectorLength: vectorLength, width: narrow, place: place,
                dividesByRedundancy: redundancy, using: &generator)
        }
        let network = late > 0 ? backbone as? any BlockwiseBackbone : nil
        func adapter(_ route: some SHERLRoute) -> any Adapter {
            SHERL(reading: states.names, channels: states.last.channels, route: route, continuing: network)
        }
        if let rates = states.rates {
            return adapter(
                SHERLMaps(
                    channels: states.channels, rates: rates, width: narrow, dividesByRedundancy: redundancy,
                    dropout: Float(dropout), using: &generator))
        }
        return form == .gated
            ? adapter(gatedRoute(states, narrow, using: &generator))
            : adapter(normalizedRoute(states, narrow, using: &generator))
    }

    private func normalizedRoute(_ states: StateTaps, _ width: Int, using generator: inout SeededGenerator)
        -> SHERLTokens<NormalizedLinear>
    {
        let down = states.channels.map { NormalizedLinear($0, width, using: &generator) }
        return SHERLTokens(
            down: down, fusion: SHERLFusion(width: width, dividesByRedundancy: redundancy, using: &generator),
            up: Linear(width, states.last.channels, using: &generator),
            norm: LayerNorm(states.last.channels, epsilon: 1e-12), dropout: Float(dropout))
    }

    private func gatedRoute(_ states: StateTaps, _ width: Int, using generator: inout SeededGenerator)
        -> SHERLTokens<GatedLinear>
    {
        let down = states.channels.map { GatedLinear($0, width, using: &generator) }
        return SHERLTokens(
            down: down, fusion: SHERLFusion(width: width, dividesByRedundancy: redundancy, using: &generator),
            up: Linear(width, states.last.channels, using: &generator), dropout: Float(dropout))
    }

    private func check(_ late: Int, on backbone: any Backbone) throws(AdapterError) {
        if late > 0 && guide == .vector {
            throw AdapterError(Self.kind, "under `guide: vector` no block is run: leave out `late`")
        }
        if late > 0 && !(backbone is any BlockwiseBackbone) {
            throw AdapterError(
                Self.kind,
                "the last blocks of \(type(of: backbone)) cannot be run by themselves; `late: 0` needs none of them")
        }
        if late + 2 > backbone.taps.count && guide == .state {
            throw AdapterError(
                Self.kind,
                "\(late) late blocks of \(backbone.taps.count) taps leave fewer than two to read; "
                    + "at most \(max(backbone.taps.count - 2, 0)) would do")
        }
    }
}
