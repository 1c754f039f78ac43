import PandoBackbones
import PandoNN
import PandoTensor

/// Experts that all tasks share, and for each task a gate that mixes them for every example.
///
/// `f_t(x) = Σ_e softmax(G_t x)_e · relu(W_e x)`, `x` the normalised vector of the frozen pass.
/// - Shapes: vector `[N, C]` → `[rows, H]`.
/// - Cost: `E (C + 1) H + T C E` parameters.
/// - Source: Ma et al. 2018, Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts
///   (KDD), section 3, equations 6 and 7.
public struct MMoE: Sharing {
    /// What belongs to one task.
    public struct Task: Module {
        public var gate: ExpertGate

        public mutating func visit(_ visitor: inout some Visitor) { visitor.module("gate", &gate) }
    }

    public var norm: LayerNorm
    public var experts: ExpertBank
    public var tasks: [Task]

    public init(
        vectorLength: Int, taskCount: Int, experts: Int, width: Int, using generator: inout SeededGenerator
    ) {
        norm = LayerNorm(vectorLength)
        self.experts = ExpertBank(vectorLength, count: experts, width: width, using: &generator)
        tasks = []
        for _ in 0..<taskCount {
            tasks.append(Task(gate: ExpertGate(vectorLength, count: experts, using: &generator)))
        }
    }

    public var request: FeatureRequest { .vector }
    public var taskCount: Int { tasks.count }
    public var featureCount: Int { experts.width }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let vector = norm(features.pooled)
        let known = experts(vector)
        return asked.map { asked in
            asked.of(known).mixed(by: tasks[asked.task].gate(asked.of(vector))).cast(to: .float32)
        }
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.module("experts", &experts)
        visitor.modules("tasks", &tasks)
    }
}

/// The mixture's options.
public struct MMoEConfiguration: SharingConfiguration {
    public static let kind = "mmoe"
    public static let summary = "shared experts, mixed for each task by a gate of its own"
    public static let options: [PlanOption<MMoEConfiguration>] = [
        PlanOption("experts", "how many", .integer(1...1024) { $0.experts = $1 }),
        PlanOption("width", "of each expert", .integer(1...65536) { $0.width = $1 }),
    ]

    public var experts = 8
    public var width = 128

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        MMoE(vectorLength: vectorLength, taskCount: taskCount, experts: experts, width: width, using: &generator)
    }
}
