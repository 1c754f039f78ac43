import PandoBackbones
import PandoNN
import PandoTensor

/// A learned token for each task, and a light decoder in which tokens and the places of the fused levels read one another.
///
/// All tokens always go in together, so a task's vector depends on the others' tokens, whether those are asked or not.
/// - Shapes: maps `[N, H_l, W_l, C_l]`, or tokens `[N, T, C_l]` → `[rows, D]`.
/// - Source: Narayan et al. 2024, FaceXFormer (arXiv:2403.12960), section 3, and its code. Levels are fused at the places
///   of a stride of 16, not of the finest level; a task has a layer of its own before its head. Tokens of a transformer
///   carry their positions already: none are added.
public struct FaceXFormer: Sharing {
    /// What belongs to one task.
    public struct Task: Module {
        public var layer: HiddenLayers

        public mutating func visit(_ visitor: inout some Visitor) { visitor.module("layer", &layer) }
    }

    public let taps: [Tap.Name]
    /// Of each level.
    public var projections: [Linear]
    /// Of all levels side by side.
    public var fusion: Linear
    /// Of a map's places; `nil` for tokens.
    public var positions: FourierPositions?
    /// `[T, D]`.
    public var tokens: Tensor
    public var decoder: TwoWayDecoder
    public var tasks: [Task]
    /// Which level has the size that all are brought to; `nil` for tokens.
    let sizedAs: Int?

    /// - Parameters:
    ///   - sizedAs: the level of maps whose size all are brought to; `nil` for tokens.
    ///   - bothWays: whether places read tokens.
    ///   - joins: whether tokens read one another.
    public init(
        reading taps: [Tap.Name], channels: [Int], sizedAs: Int?, taskCount: Int, width: Int, depth: Int, heads: Int,
        bothWays: Bool = true, joins: Bool = true, using generator: inout SeededGenerator
    ) {
        (self.taps, self.sizedAs) = (taps, sizedAs)
        projections = []
        for wide in channels { projections.append(Linear(wide, width, using: &generator)) }
        fusion = Linear(channels.count * width, width, bias: false, using: &generator)
        positions = sizedAs == nil ? nil : FourierPositions(width, using: &generator)
        tokens = .normal(mean: 0, deviation: 1, [taskCount, width], using: &generator)
        decoder = TwoWayDecoder(
            width, depth: depth, heads: heads, bothWays: bothWays, joins: joins, using: &generator)
        tasks = []
        for _ in 0..<taskCount { tasks.append(Task(layer: HiddenLayers([width, width], using: &generator))) }
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps) }
    public var taskCount: Int { tasks.count }
    public var featureCount: Int { tokens.shape[1] }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let (places, code) = fused(features)
        let begin = tokens.cast(to: places.elementType).expanded(at: 0)
            .broadcast(to: [places.shape[0], taskCount, featureCount])
        let read = decoder(begin, places: places, positions: code, mask: features.mask)  // [N, T, D]
        return asked.map { asked in
            let token = asked.of(read).element(asked.task, along: 1)
            return tasks[asked.task].layer(token).cast(to: .float32)
        }
    }

    /// The levels fused, `[N, P, D]`, and the code of their places, `[1, P, D]`.
    private func fused(_ features: Features) -> (places: Tensor, positions: Tensor?) {
        var levels = zip(features[taps], projections).map { $1($0) }
        guard let sizedAs, let positions else { return (fusion(.concatenated(levels, along: 2)), nil) }
        let (height, width) = (levels[sizedAs].shape[1], levels[sizedAs].shape[2])
        levels = levels.map { level in
            level.shape[1] > height
                ? level.adaptiveAveragePooled(height: height, width: width)
                : level.resized(height: height, width: width)
        }
        let places = fusion(.concatenated(levels, along: 3)).places
        return (places, positions(height: height, width: width).cast(to: places.elementType))
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.modules("projections", &projections)
        visitor.module("fusion", &fusion)
        visitor.module("positions", &positions)
        visitor.parameter("tokens", &tokens)
        visitor.module("decoder", &decoder)
        visitor.modules("tasks", &tasks)
    }
}

/// FaceXFormer's options.
public struct FaceXFormerConfiguration: SharingConfiguration {
    public static let kind = "facexformer"
    public static let summary = "a token for each task, in a decoder where tokens and places read one another"
    public static let options: [PlanOption<FaceXFormerConfiguration>] = [
        PlanOption("width", "of the decoder", .integer(2...8192) { $0.width = $1 }),
        PlanOption("depth", "blocks of the decoder", .integer(1...64) { $0.depth = $1 }),
        PlanOption("heads", "of its attention", .integer(1...256) { $0.heads = $1 }),
        PlanOption(
            "taps", "the levels it reads (every tokens', or the last map of each stride)", .texts { $0.taps = $1 }),
        PlanOption("face_to_task", "whether places read tokens", .flag { $0.faceToTask = $1 }),
        PlanOption("token_attention", "whether tokens read one another", .flag { $0.tokenAttention = $1 }),
    ]

    public var width = 64
    public var depth = 2
    public var heads = 4
    public var taps: [Tap.Name] = []
    public var faceToTask = true
    public var tokenAttention = true

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        let states = try StateTaps(of: backbone, named: taps, atLeast: 1, for: Self.kind)
        guard width % (2 * heads) == 0 else {
            throw AdapterError(
                Self.kind, "half of a width of \(width) is not divided by \(heads) heads; "
                    + "a `width` of \((width / (2 * heads) + 1) * 2 * heads) would do")
        }
        return FaceXFormer(
            reading: states.names, channels: states.channels, sizedAs: states.level(ofStride: 16), taskCount: taskCount,
            width: width, depth: depth, heads: heads, bothWays: faceToTask, joins: tokenAttention, using: &generator)
    }
}

extension StateTaps {
    /// The level of maps whose stride is nearest to so many pixels; `nil` for tokens.
    fileprivate func level(ofStride wanted: Int) -> Int? {
        let strides = taps.map { if case .map(let stride) = $0.kind { stride } else { 0 } }
        guard rates != nil else { return nil }
        return strides.indices.min { abs(strides[$0] - wanted) < abs(strides[$1] - wanted) }
    }
}
