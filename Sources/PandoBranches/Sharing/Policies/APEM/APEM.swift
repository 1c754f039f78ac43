import PandoBackbones
import PandoNN
import PandoTensor

/// Patterns that fields form in an example, and for each task an indicator that selects among them.
///
/// Fields are the mean states of levels, each embedded. Layers of set attention let a few learned queries read all fields,
/// and fields read what those found; squeeze and excitation then weighs fields. A task's indicator, moved by the example,
/// attends to the patterns and to the fields; a tower of its own reads both selections.
/// - Shapes: states `[N, T, C_l]` or `[N, H, W, C_l]` → `[rows, H]`.
/// - Source: Tao et al. 2023, Adaptive Pattern Extraction Multi-Task Learning (arXiv:2301.02494). That set attention with
///   squeeze and excitation makes patterns and that adaptive task-indicator vectors select among them is the paper's;
///   neither code nor equations were at hand, so this is **APEM-style, our reconstruction**: queries after Lee et al. 2019,
///   Set Transformer (arXiv:1810.00825), section 3.1; excitation after Hu et al. 2018 (arXiv:1709.01507), section 3. Heads
///   are independent here: the paper's chain of probabilities is theirs to make.
public struct APEM: Sharing {
    /// What belongs to one task.
    public struct Task: Module {
        /// `[D]`; `nil` where all tasks have one.
        public var indicator: Tensor?
        /// How the example moves it; `nil` where all tasks have one.
        public var adaptation: Linear?
        public var tower: HiddenLayers

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.parameter("indicator", &indicator)
            visitor.module("adaptation", &adaptation)
            visitor.module("tower", &tower)
        }
    }

    public var fields: LevelVectors
    /// Of each field.
    public var embeddings: [Linear]
    public var layers: [PatternLayer]
    public var excitation: FieldExcitation
    /// The indicator of all tasks, where they have one.
    public var indicator: Tensor?
    public var tasks: [Task]

    /// - Parameters:
    ///   - width: of embedded fields and patterns.
    ///   - patterns: queries of each layer.
    ///   - selects: whether each task has an indicator, moved by the example; else all have one, which nothing moves.
    public init(
        reading taps: [Tap.Name], channels: [Int], taskCount: Int, width: Int, patterns: Int, heads: Int, layers: Int,
        tower: Int, selects: Bool = true, using generator: inout SeededGenerator
    ) {
        fields = LevelVectors(reading: taps, channels: channels)
        (embeddings, self.layers, tasks) = ([], [], [])
        for wide in channels { embeddings.append(Linear(wide, width, using: &generator)) }
        for _ in 0..<layers {
            self.layers.append(PatternLayer(width, patterns: patterns, heads: heads, using: &generator))
        }
        excitation = FieldExcitation(channels.count, using: &generator)
        func drawn(_ generator: inout SeededGenerator) -> Tensor { .normal(deviation: 1, [width], using: &generator) }
        indicator = selects ? nil : drawn(&generator)
        for _ in 0..<taskCount {
            tasks.append(
                Task(
                    indicator: selects ? drawn(&generator) : nil,
                    adaptation: selects ? Linear(width, width, bias: false, using: &generator) : nil,
                    tower: HiddenLayers([2 * width, tower], using: &generator)))
        }
    }

    public var request: FeatureRequest { fields.request }
    public var taskCount: Int { tasks.count }
    public var featureCount: Int { tasks[0].tower.outFeatures }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let (patterns, fields) = extracted(features)
        return asked.map { asked in
            let (patterns, fields) = (asked.of(patterns), asked.of(fields))
            let indicator = indicator(of: asked.task, fields)
            let chosen = [patterns, fields].map { $0.mixed(by: $0.shares(for: indicator)) }
            return tasks[asked.task].tower(.concatenated(chosen, along: 1)).cast(to: .float32)
        }
    }

    /// The patterns, `[N, K, D]`, and the weighed fields, `[N, F, D]`.
    func extracted(_ features: Features) -> (patterns: Tensor, fields: Tensor) {
        var seen = Tensor.stacked(zip(embeddings, fields(features)).map { $0($1) }, along: 1)
        var patterns = seen
        for layer in layers { (patterns, seen) = layer(seen) }
        return (patterns, excitation(seen))
    }

    /// What a task looks for in each example, `[N, D]`.
    func indicator(of task: Int, _ fields: Tensor) -> Tensor {
        let own = (tasks[task].indicator ?? indicator!).cast(to: fields.elementType).expanded(at: 0)
        guard let adaptation = tasks[task].adaptation else { return own.broadcast(to: [fields.shape[0], own.shape[1]]) }
        return adaptation(fields.mean(along: [1])) + own
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("fields", &fields)
        visitor.modules("embeddings", &embeddings)
        visitor.modules("layers", &layers)
        visitor.module("excitation", &excitation)
        visitor.parameter("indicator", &indicator)
        visitor.modules("tasks", &tasks)
    }
}

extension Tensor {
    /// How much of each thing `[N, K, D]` an indicator `[N, D]` takes: `softmax(⟨u, x_k⟩ / √D)`, `[N, K]`.
    func shares(for indicator: Tensor) -> Tensor {
        let scores = matmul(self, indicator.expanded(at: 2)).squeezed(2)
        return (scores / Float(shape[2]).squareRoot()).softmax()
    }
}

/// APEM's options.
public struct APEMConfiguration: SharingConfiguration {
    public static let kind = "apem"
    public static let summary = "patterns of the backbone's levels, selected by an indicator of each task"
    public static let options: [PlanOption<APEMConfiguration>] = [
        PlanOption("width", "of embedded levels and patterns", .integer(1...8192) { $0.width = $1 }),
        PlanOption("patterns", "how many", .integer(1...1024) { $0.patterns = $1 }),
        PlanOption("heads", "of attention", .integer(1...256) { $0.heads = $1 }),
        PlanOption("layers", "of set attention", .integer(1...64) { $0.layers = $1 }),
        PlanOption("tower", "width of a task's own layer", .integer(1...65536) { $0.tower = $1 }),
        PlanOption(
            "taps", "the levels it reads (every tokens', or the last map of each stride)", .texts { $0.taps = $1 }),
        PlanOption("indicator", "whether each task selects for itself", .flag { $0.indicator = $1 }),
    ]

    public var width = 64
    public var patterns = 8
    public var heads = 2
    public var layers = 2
    public var tower = 64
    public var taps: [Tap.Name] = []
    public var indicator = true

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        let states = try StateTaps(of: backbone, named: taps, atLeast: 2, for: Self.kind)
        guard width % heads == 0 else {
            throw AdapterError(
                Self.kind, "\(heads) heads do not divide a width of \(width); a `width` of "
                    + "\((width / heads + 1) * heads) or 1 head would do")
        }
        return APEM(
            reading: states.names, channels: states.channels, taskCount: taskCount, width: width, patterns: patterns,
            heads: heads, layers: layers, tower: tower, selects: indicator, using: &generator)
    }
}
