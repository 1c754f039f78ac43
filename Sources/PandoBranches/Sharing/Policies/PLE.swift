import PandoBackbones
import PandoNN
import PandoTensor

/// Levels of experts, some shared and some a task's own; each task is gated over its own and the shared ones.
///
/// At each level but the last a gate over all experts makes what the shared experts of the next level read. So what is a
/// task's own at a lower level reaches other tasks through the shared way; at the last level it does not.
/// - Shapes: vector `[N, C]` → `[rows, H]`.
/// - Cost: each level `(m + T k) (in + 1) H` parameters in `m` shared and `k` own experts, and the gates'.
/// - Source: Tang et al. 2020, Progressive Layered Extraction (RecSys), sections 4.1 (CGC, one level) and 4.2. Experts have
///   one layer.
public struct PLE: Sharing {
    /// What belongs to one task at one level.
    public struct Task: Module {
        public var experts: ExpertBank
        /// Over the task's own experts, then the shared ones.
        public var gate: ExpertGate

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.module("experts", &experts)
            visitor.module("gate", &gate)
        }
    }

    /// One level of extraction: customized gate control.
    public struct Level: Module {
        public var shared: ExpertBank
        public var tasks: [Task]
        /// Over all tasks' experts, then the shared ones; the last level has none.
        public var sharedGate: ExpertGate?

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.module("shared", &shared)
            visitor.modules("tasks", &tasks)
            visitor.module("shared_gate", &sharedGate)
        }
    }

    public var norm: LayerNorm
    public var levels: [Level]

    /// - Parameters:
    ///   - shared: experts of all tasks at each level.
    ///   - own: experts of each task at each level.
    public init(
        vectorLength: Int, taskCount: Int, levels: Int, shared: Int, own: Int, width: Int,
        using generator: inout SeededGenerator
    ) {
        norm = LayerNorm(vectorLength)
        self.levels = []
        for level in 0..<levels {
            let inFeatures = level == 0 ? vectorLength : width
            let common = ExpertBank(inFeatures, count: shared, width: width, using: &generator)
            var tasks: [Task] = []
            for _ in 0..<taskCount {
                tasks.append(
                    Task(
                        experts: ExpertBank(inFeatures, count: own, width: width, using: &generator),
                        gate: ExpertGate(inFeatures, count: own + shared, using: &generator)))
            }
            let gate = level + 1 < levels
                ? ExpertGate(inFeatures, count: taskCount * own + shared, using: &generator) : nil
            self.levels.append(Level(shared: common, tasks: tasks, sharedGate: gate))
        }
    }

    public var request: FeatureRequest { .vector }
    public var taskCount: Int { levels[0].tasks.count }
    public var featureCount: Int { levels[0].shared.width }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let vector = norm(features.pooled)
        var (shared, own) = (vector, levels[0].tasks.map { _ in vector })
        for level in levels {
            let common = level.shared(shared)
            guard let sharedGate = level.sharedGate else {
                return asked.map { asked in
                    level.tasks[asked.task](asked.of(own[asked.task]), beside: asked.of(common)).cast(to: .float32)
                }
            }
            let experts = zip(level.tasks, own).map { $0.experts($1) }
            let all = Tensor.concatenated(experts + [common], along: 1)
            let mixed = zip(level.tasks, zip(experts, own)).map { task, seen in
                Tensor.concatenated([seen.0, common], along: 1).mixed(by: task.gate(seen.1))
            }
            shared = all.mixed(by: sharedGate(shared))
            own = mixed
        }
        stop("PLE: there is no last level")
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.modules("levels", &levels)
    }
}

extension PLE.Task {
    /// The task's mixture of its own experts, of `x` `[N, in]`, and of what the shared ones have made, `[N, m, H]`.
    func callAsFunction(_ x: Tensor, beside shared: Tensor) -> Tensor {
        Tensor.concatenated([experts(x), shared], along: 1).mixed(by: gate(x))
    }
}

/// The levels' options.
public struct PLEConfiguration: SharingConfiguration {
    public static let kind = "ple"
    public static let summary = "levels of shared experts and of each task's own"
    public static let options: [PlanOption<PLEConfiguration>] = [
        PlanOption("levels", "of extraction; one is CGC", .integer(1...16) { $0.levels = $1 }),
        PlanOption("shared", "experts of all tasks at each level", .integer(1...1024) { $0.shared = $1 }),
        PlanOption("own", "experts of each task at each level", .integer(1...1024) { $0.own = $1 }),
        PlanOption("width", "of each expert", .integer(1...65536) { $0.width = $1 }),
    ]

    public var levels = 2
    public var shared = 2
    public var own = 1
    public var width = 128

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        PLE(
            vectorLength: vectorLength, taskCount: taskCount, levels: levels, shared: shared, own: own, width: width,
            using: &generator)
    }
}
