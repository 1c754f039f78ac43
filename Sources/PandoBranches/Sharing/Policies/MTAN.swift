import PandoBackbones
import PandoNN
import PandoTensor

/// A shared trunk of layers over the backbone's levels, and for each task attention masks over the features of each.
///
/// Layer `l` of the trunk reads the mean state of the backbone's level `l` beside what layer `l - 1` has made, in two
/// steps, `u_l` and `p_l`. A task's mask `a = sigmoid(G relu(F [u_l, z]))` chooses among the features of `p_l`; what is left
/// goes on as `z = relu(E_l (a ⊙ p_l))` to the task's mask of the next layer, and of the last one to its head.
/// - Shapes: states `[N, T, C_l]` or `[N, H, W, C_l]` → `[rows, H]`.
/// - Source: Liu et al. 2019, End-to-End Multi-Task Learning with Attention (arXiv:1803.10704), section 3.2, equations 1
///   and 2, whose encoder half this is. Its layers are maps and their masks choose at each place; here levels are means
///   over places or tokens, and layer norms stand where it has batch norms.
public struct MTAN: Sharing {
    /// One layer of the trunk.
    public struct Layer: Module {
        public var first, second: NormalizedLinear
        /// What brings a task's chosen features to its mask of the next layer; shared, as in the paper.
        public var onward: Linear

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.module("first", &first)
            visitor.module("second", &second)
            visitor.module("onward", &onward)
        }
    }

    /// One task's mask of one layer.
    public struct Mask: Module {
        public var hidden: NormalizedLinear
        public var output: Linear

        /// - Shapes: `[N, in]` → `[N, H]` between 0 and 1.
        public func callAsFunction(_ x: Tensor) -> Tensor { output(hidden(x).relu()).sigmoid() }

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.module("hidden", &hidden)
            visitor.module("output", &output)
        }
    }

    /// What belongs to one task.
    public struct Task: Module {
        /// One for each layer.
        public var masks: [Mask]

        public mutating func visit(_ visitor: inout some Visitor) { visitor.modules("masks", &masks) }
    }

    public var levels: LevelVectors
    public var layers: [Layer]
    public var tasks: [Task]

    public init(
        reading taps: [Tap.Name], channels: [Int], taskCount: Int, width: Int, maskWidth: Int,
        using generator: inout SeededGenerator
    ) {
        levels = LevelVectors(reading: taps, channels: channels)
        (layers, tasks) = ([], [])
        for (index, wide) in channels.enumerated() {
            layers.append(
                Layer(
                    first: NormalizedLinear(index == 0 ? wide : wide + width, width, using: &generator),
                    second: NormalizedLinear(width, width, using: &generator),
                    onward: Linear(width, width, using: &generator)))
        }
        for _ in 0..<taskCount {
            var masks: [Mask] = []
            for index in channels.indices {
                masks.append(
                    Mask(
                        hidden: NormalizedLinear(index == 0 ? width : 2 * width, maskWidth, using: &generator),
                        output: Linear(maskWidth, width, using: &generator)))
            }
            tasks.append(Task(masks: masks))
        }
    }

    public var request: FeatureRequest { levels.request }
    public var taskCount: Int { tasks.count }
    public var featureCount: Int { layers[0].second.linear.outFeatures }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        var trunk: [(u: Tensor, p: Tensor)] = []
        for (level, layer) in zip(levels(features), layers) {
            let seen = trunk.last.map { Tensor.concatenated([level, $0.p], along: 1) } ?? level
            let u = layer.first(seen).relu()
            trunk.append((u, layer.second(u).relu()))
        }
        return asked.map { asked in
            var chosen: Tensor?
            for (index, mask) in tasks[asked.task].masks.enumerated() {
                let u = asked.of(trunk[index].u)
                let attention = mask(chosen.map { .concatenated([u, $0], along: 1) } ?? u)
                chosen = layers[index].onward(attention * asked.of(trunk[index].p)).relu()
            }
            return chosen!.cast(to: .float32)
        }
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("levels", &levels)
        visitor.modules("layers", &layers)
        visitor.modules("tasks", &tasks)
    }
}

/// The masks' options.
public struct MTANConfiguration: SharingConfiguration {
    public static let kind = "mtan"
    public static let summary = "a trunk over the backbone's levels, and each task's masks over its features"
    public static let options: [PlanOption<MTANConfiguration>] = [
        PlanOption("width", "of the trunk's layers", .integer(1...65536) { $0.width = $1 }),
        PlanOption("mask", "width of the hidden layer that makes a mask (a quarter)", .integer(1...65536) { $0.mask = $1 }),
        PlanOption(
            "taps", "the levels it reads (every tokens', or the last map of each stride)", .texts { $0.taps = $1 }),
    ]

    public var width = 128
    public var mask: Int?
    public var taps: [Tap.Name] = []

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        let states = try StateTaps(of: backbone, named: taps, atLeast: 1, for: Self.kind)
        return MTAN(
            reading: states.names, channels: states.channels, taskCount: taskCount, width: width,
            maskWidth: mask ?? max(width / 4, 1), using: &generator)
    }
}
