import PandoBackbones
import PandoNN
import PandoTensor

/// Experts at several levels of the backbone, gated by each task for every example, and for each task a memory that is
/// read and written at every level; the memory behind the last one is what the head reads.
///
/// At level `l` shared experts make `F_e = gelu(norm(W_e x_l))` of the mean state. The task's gate, of the state and of its
/// memory, mixes them and what is read of the memory, `R M`; the mixture is refined and added to the memory:
/// `M ← M + V_t gelu(norm(U_t (Σ_e g_e F_e + g_R R M)))`. At the first level the memory is empty and not read.
/// - Shapes: states `[N, T, C_l]` or `[N, H, W, C_l]` → `[rows, D]`.
/// - Source: Ye and Xu 2023, TaskExpert (arXiv:2307.15324). Experts at several layers, task-specific gates that depend on
///   the sample, and a memory of each task that is one more expert, is written at every layer and feeds the heads, are the
///   paper's; its code is not public, and what experts, gates, reading and writing are made of is **our reconstruction**.
///   Memories are vectors here, of means over places or tokens, where the paper's are maps.
public struct TaskExpert: Sharing {
    /// What tasks share at one level.
    public struct Level: Module {
        public var experts: ExpertBank
        /// From a task's memory to one more expert; none at the first level.
        public var reading: Linear?

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.module("experts", &experts)
            visitor.module("reading", &reading)
        }
    }

    /// What belongs to one task.
    public struct Task: Module {
        /// One for each level.
        public var gates: [TaskExpertGate]
        /// One for each level: of the mixture, then to the memory.
        public var refinements: [NormalizedLinear]
        public var writings: [Linear]

        public mutating func visit(_ visitor: inout some Visitor) {
            visitor.modules("gates", &gates)
            visitor.modules("refinements", &refinements)
            visitor.modules("writings", &writings)
        }
    }

    public var states: LevelVectors
    public var levels: [Level]
    public var tasks: [Task]

    /// - Parameters:
    ///   - reads: whether memories are read; else they only sum up what the levels give.
    ///   - adapts: whether gates look at the example; else each is learned numbers.
    public init(
        reading taps: [Tap.Name], channels: [Int], taskCount: Int, experts: Int, width: Int, reads: Bool = true,
        adapts: Bool = true, using generator: inout SeededGenerator
    ) {
        states = LevelVectors(reading: taps, channels: channels)
        (levels, tasks) = ([], [])
        for (index, wide) in channels.enumerated() {
            levels.append(
                Level(
                    experts: ExpertBank(
                        wide, count: experts, width: width, activation: .gelu, normalizes: true, using: &generator),
                    reading: index > 0 && reads ? Linear(width, width, using: &generator) : nil))
        }
        for _ in 0..<taskCount {
            var task = Task(gates: [], refinements: [], writings: [])
            for (index, wide) in channels.enumerated() {
                let seen = index > 0 && reads
                task.gates.append(
                    TaskExpertGate(
                        state: wide, memory: seen ? width : nil, hidden: max(width / 4, 1),
                        count: seen ? experts + 1 : experts, adapts: adapts, using: &generator))
                task.refinements.append(NormalizedLinear(width, width, using: &generator))
                task.writings.append(Linear(width, width, using: &generator))
            }
            tasks.append(task)
        }
    }

    public var request: FeatureRequest { states.request }
    public var taskCount: Int { tasks.count }
    public var featureCount: Int { levels[0].experts.width }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let seen = states(features)
        let known = zip(levels, seen).map { $0.experts($1) }
        return asked.map { asked in
            var memory: Tensor?
            for (index, level) in levels.enumerated() {
                let shares = shares(of: asked.task, at: index, state: asked.of(seen[index]), memory: memory)
                var experts = asked.of(known[index])
                if let reading = level.reading, let memory {
                    experts = .concatenated([experts, reading(memory).expanded(at: 1)], along: 1)
                }
                let task = tasks[asked.task]
                let written = task.writings[index](task.refinements[index](experts.mixed(by: shares)).gelu())
                memory = memory.map { $0 + written } ?? written
            }
            return memory!.cast(to: .float32)
        }
    }

    /// A task's shares of the experts at one level, and last of its memory: `[N, E]` or `[N, E + 1]`.
    func shares(of task: Int, at level: Int, state: Tensor, memory: Tensor?) -> Tensor {
        tasks[task].gates[level](state, memory: levels[level].reading == nil ? nil : memory)
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("states", &states)
        visitor.modules("levels", &levels)
        visitor.modules("tasks", &tasks)
    }
}

/// A task's shares of experts: `softmax(W₂ gelu(W₁ [A x, B M]))`, or learned numbers that are the same for all examples.
///
/// - Shapes: state `[N, C]`, memory `[N, D]` → `[N, count]`.
public struct TaskExpertGate: Module {
    public var state, memory: Linear?
    public var hidden, output: Linear?
    public var constant: Tensor?

    init(
        state: Int, memory: Int?, hidden: Int, count: Int, adapts: Bool, using generator: inout SeededGenerator
    ) {
        guard adapts else {
            constant = .zeros([count])
            return
        }
        self.state = Linear(state, hidden, using: &generator)
        self.memory = memory.map { Linear($0, hidden, using: &generator) }
        self.hidden = Linear(memory == nil ? hidden : 2 * hidden, hidden, using: &generator)
        output = Linear(hidden, count, using: &generator)
    }

    public func callAsFunction(_ x: Tensor, memory remembered: Tensor?) -> Tensor {
        guard let state, let hidden, let output else {
            let shares = constant!.cast(to: x.elementType).softmax()
            return shares.expanded(at: 0).broadcast(to: [x.shape[0], shares.shape[0]])
        }
        let seen = [state(x)] + (memory.flatMap { memory in remembered.map { [memory($0)] } } ?? [])
        return output(hidden(.concatenated(seen, along: 1)).gelu()).softmax()
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("state", &state)
        visitor.module("memory", &memory)
        visitor.module("hidden", &hidden)
        visitor.module("output", &output)
        visitor.parameter("constant", &constant)
    }
}

/// The experts' options.
public struct TaskExpertConfiguration: SharingConfiguration {
    public static let kind = "taskexpert"
    public static let summary = "experts at several levels, gated by each task, whose memory runs through them"
    public static let options: [PlanOption<TaskExpertConfiguration>] = [
        PlanOption("experts", "at each level", .integer(1...1024) { $0.experts = $1 }),
        PlanOption("width", "of experts and memories", .integer(1...65536) { $0.width = $1 }),
        PlanOption(
            "taps", "the levels it reads (every tokens', or the last map of each stride)", .texts { $0.taps = $1 }),
        PlanOption("memory", "whether memories are read", .flag { $0.memory = $1 }),
        PlanOption("gates", "whether gates look at the example", .flag { $0.gates = $1 }),
    ]

    public var experts = 5
    public var width = 64
    public var taps: [Tap.Name] = []
    public var memory = true
    public var gates = true

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        let states = try StateTaps(of: backbone, named: taps, atLeast: 1, for: Self.kind)
        return TaskExpert(
            reading: states.names, channels: states.channels, taskCount: taskCount, experts: experts, width: width,
            reads: memory, adapts: gates, using: &generator)
    }
}
