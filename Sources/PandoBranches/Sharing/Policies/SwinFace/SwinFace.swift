import PandoBackbones
import PandoNN
import PandoTensor

/// Multi-level channel attention: each task chooses among channels of all of the backbone's levels, then has layers of its
/// own.
///
/// - Shapes: maps `[N, H_l, W_l, C_l]`, or tokens `[N, T, C_l]` → `[rows, W]`.
/// - Source: Qin et al. 2023, SwinFace (arXiv:2308.11509), section III-B, and its code. Every task is a group of its own;
///   layer norms stand where it has batch norms, so that examples do not depend on one another; of tokens, which already
///   know one another, convolutions are point-wise.
public struct SwinFace: Sharing {
    /// What belongs to one task.
    public struct Task: Module {
        public var attention: ChannelAttention
        public var subnet: HiddenLayers
        public let dropout: Dropout

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.module("attention", &attention)
            visitor.module("subnet", &subnet)
        }
    }

    public let taps: [Tap.Name]
    public var tasks: [Task]
    /// How many places of each map lie side by side in one of the deepest; `nil` for tokens.
    let rates: [Int]?

    /// - Parameters:
    ///   - rates: how many places of each map lie side by side in one of the deepest; `nil` for tokens.
    ///   - gates: whether channels are weighed.
    ///   - dropout: behind each of a task's own layers.
    public init(
        reading taps: [Tap.Name], channels: [Int], rates: [Int]?, taskCount: Int, width: Int, gates: Bool = true,
        dropout: Float = 0, using generator: inout SeededGenerator
    ) {
        (self.taps, self.rates, tasks) = (taps, rates, [])
        for _ in 0..<taskCount {
            tasks.append(
                Task(
                    attention: ChannelAttention(
                        channels: channels, width: width, kernel: rates == nil ? 1 : 3, gates: gates, using: &generator),
                    subnet: HiddenLayers([width, width, width], using: &generator), dropout: Dropout(dropout)))
        }
    }

    public var request: FeatureRequest { FeatureRequest(taps: taps) }
    public var taskCount: Int { tasks.count }
    public var featureCount: Int { tasks[0].subnet.outFeatures }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let levels = maps(features)
        return asked.map { asked in
            let task = tasks[asked.task]
            let chosen = task.attention(levels.map(asked.of), mask: features.mask.map(asked.of))
            return task.subnet.layers.reduce(chosen) { task.dropout($1($0).relu(), during: pass) }.cast(to: .float32)
        }
    }

    /// Every level as a map of the deepest one's size; tokens as a map of one column.
    func maps(_ features: Features) -> [Tensor] {
        let states = features[taps]
        guard let rates else { return states.map { $0.expanded(at: 2) } }
        let deepest = states[states.count - 1]
        return zip(states, rates).map { state, rate in
            rate == 1 && state.shape[1] == deepest.shape[1] && state.shape[2] == deepest.shape[2]
                ? state : state.adaptiveAveragePooled(height: deepest.shape[1], width: deepest.shape[2])
        }
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.modules("tasks", &tasks) }
}

/// SwinFace's options.
public struct SwinFaceConfiguration: SharingConfiguration {
    public static let kind = "swinface"
    public static let summary = "each task weighs channels of all levels (multi-level channel attention)"
    public static let options: [PlanOption<SwinFaceConfiguration>] = [
        PlanOption("width", "of what is chosen, and of a task's own layers", .integer(1...65536) { $0.width = $1 }),
        PlanOption(
            "taps", "the levels it reads (every tokens', or the last map of each stride)", .texts { $0.taps = $1 }),
        PlanOption("attention", "whether channels are weighed", .flag { $0.attention = $1 }),
        PlanOption(
            "dropout", "share dropped in training behind each of a task's own layers", .number(0...0.95) { $0.dropout = $1 }
        ),
    ]

    public var width = 128
    public var taps: [Tap.Name] = []
    public var attention = true
    public var dropout = 0.0

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        let states = try StateTaps(of: backbone, named: taps, atLeast: 1, for: Self.kind)
        guard width >= states.names.count else {
            throw AdapterError(
                Self.kind, "a width of \(width) gives not every one of \(states.names.count) levels a channel: more, or fewer `taps`")
        }
        return SwinFace(
            reading: states.names, channels: states.channels, rates: states.rates, taskCount: taskCount, width: width,
            gates: attention, dropout: Float(dropout), using: &generator)
    }
}
