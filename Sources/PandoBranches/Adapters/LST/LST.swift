import PandoBackbones
import PandoNN
import PandoTensor

/// Ladder side tuning: a narrow network climbs beside the frozen backbone and takes in its state at every rung.
///
/// `s_0 = D_0 h_0`, `s_i = block_i(μ_i D_i h_i + (1 - μ_i) s_{i-1})`, `μ_i = σ(α_i / 0.1)`, `α_i` 0 in the beginning; then
/// a wide layer and the mean over tokens or places.
/// - Shapes: states `[N, T, C_i]` or `[N, H_i, W_i, C_i]` → `[N, featureCount]`.
/// - Source: Sung, Cho and Bansal 2022, LST (arXiv:2206.06522). Theirs begins with pruned weights of the
///   backbone, chosen by Fisher information; ours begins at random. It is of transformers; for maps a rung's side state is
///   averaged to the next rung's places, and brought to its width by a linear layer where that differs.
public struct LST<Block: LadderBlock>: Adapter {
    public let taps: [Tap.Name]
    /// One for each state.
    public var down: [Linear]
    /// From a rung to the next where that is of another width.
    public var carries: [Linear?]
    /// How much a rung takes of the backbone: `α`, one for each rung but the first.
    public var gates: Tensor
    /// One for each rung but the first.
    public var blocks: [Block]
    public var norm: LayerNorm?
    public var up: Linear
    let steps: [Int]

    static var temperature: Float { 0.1 }

    /// - Parameters:
    ///   - widths: of the side network at each state.
    ///   - steps: along each axis, how many places of a state's map fall on one of the next.
    init(
        reading taps: [Tap.Name], channels: [Int], widths: [Int], steps: [Int], normalizes: Bool,
        using generator: inout SeededGenerator, block: (Int, inout SeededGenerator) -> Block
    ) {
        (self.taps, self.steps) = (taps, steps)
        down = zip(channels, widths).map { Linear($0, $1, using: &generator) }
        carries = []
        for (before, after) in zip(widths, widths.dropFirst()) {
            carries.append(before == after ? nil : Linear(before, after, using: &generator))
        }
        gates = .zeros([widths.count - 1])
        blocks = widths.dropFirst().map { block($0, &generator) }
        norm = normalizes ? LayerNorm(widths[widths.count - 1]) : nil
        up = Linear(widths[widths.count - 1], channels[channels.count - 1], using: &generator)
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps) }
    public var featureCount: Int { up.outFeatures }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        let states = features[taps]
        let shares = (gates / Self.temperature).sigmoid()
        var side = down[0](states[0])
        for index in blocks.indices {
            let taken = down[index + 1](states[index + 1])
            let carried = carries[index].map { $0(side) } ?? side
            let share = shares.slice(index..<index + 1).cast(to: taken.elementType)
            let mixed = taken * share + carried.averaged(over: steps[index], as: taken) * (1 - share)
            side = blocks[index](mixed, mask: features.mask, during: pass)
        }
        return up((norm?(side) ?? side).places.maskedMean(features.mask)).cast(to: .float32)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("down", &down)
        visitor.enter("carries")
        for index in carries.indices { visitor.module(String(index), &carries[index]) }
        visitor.leave()
        visitor.parameter("gates", &gates)
        visitor.modules("blocks", &blocks)
        visitor.module("norm", &norm)
        visitor.module("up", &up)
    }
}

extension Tensor {
    /// The mean of each cell of `step · step` places, as many as `other` has.
    fileprivate func averaged(over step: Int, as other: Tensor) -> Tensor {
        if step == 1 { return self }
        return averagePooled(kernel: step, stride: step, countingPadding: false, roundingUp: true)
            .slice(0..<other.shape[1], along: 1).slice(0..<other.shape[2], along: 2)
    }
}

/// Ladder side tuning's options.
public struct LSTConfiguration: AdapterConfiguration {
    public static let kind = "lst"
    public static let summary = "a narrow network that climbs beside the backbone and takes in its states"
    public static let options: [PlanOption<LSTConfiguration>] = [
        PlanOption(
            "reduction", "how many times narrower it is than the backbone", .integer(1...256) { $0.reduction = $1 }),
        PlanOption(
            "taps", "its rungs (every tokens' state, or the last map of each stride)", .texts { $0.taps = $1 }),
    ]

    public var reduction = 8
    public var taps: [Tap.Name] = []

    public init() {}

    public func makeAdapter(on backbone: any Backbone, vectorLength: Int, using generator: inout SeededGenerator)
        throws(AdapterError) -> any Adapter
    {
        let states = try StateTaps(of: backbone, named: taps, atLeast: 2, for: Self.kind)
        let widths = states.channels.map { max(8, ($0 / reduction + 4) / 8 * 8) }
        guard let rates = states.rates else {
            return LST(
                reading: states.names, channels: states.channels, widths: widths,
                steps: [Int](repeating: 1, count: widths.count - 1), normalizes: true, using: &generator
            ) { LadderTransformerBlock(width: $0, using: &$1) }
        }
        return LST(
            reading: states.names, channels: states.channels, widths: widths,
            steps: zip(rates, rates.dropFirst()).map { $0 / $1 }, normalizes: false, using: &generator
        ) { LadderConvolutionBlock(width: $0, using: &$1) }
    }
}
