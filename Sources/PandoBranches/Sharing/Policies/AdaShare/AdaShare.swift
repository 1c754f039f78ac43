import PandoBackbones
import PandoNN
import PandoTensor

/// One chain of blocks for all tasks, of which each runs some and skips the others; which, is learned along.
///
/// Behind block `l` task `k` goes on with `u_kl · block(x) + (1 - u_kl) · x`. While choices are searched, `u_kl` of a training
/// pass is a relaxed draw, `softmax((α_kl + g) / τ)` with Gumbel noise, one for all rows of a call. In use, and once a
/// policy is given, `u_kl` is 1 or 0, and skipped blocks are not computed; tasks that have run the same blocks so far go
/// on together.
/// - Shapes: features of `N` examples → `[rows, featureCount]`.
/// - Cost: the trunk's parameters, and `2 L` for each task while searching; up to one run of the trunk for each task.
/// - Source: Sun et al. 2020, AdaShare (arXiv:1911.12423), section 3, in the form of its code: draws are soft in training,
///   sparsity is a cross-entropy towards skipping, and the ramp of the sharing loss rises with depth there and falls in the
///   paper; both can be had.
public struct AdaShare<Trunk: SkippableTrunk>: PolicySearching {
    /// What belongs to one task while choices are searched.
    public struct Task: Module {
        /// `[L, 2]`: of running each block, and of skipping it.
        public var logits: Tensor

        public mutating func visit(_ visitor: inout some Visitor) { visitor.parameter("logits", &logits) }
    }

    public var trunk: Trunk
    /// Empty once a policy is given.
    public var tasks: [Task]
    /// What is decided; `nil` while choices are searched.
    public let given: BlockPolicy?
    public var losses: AdaShareLosses
    /// Of the relaxed draws; the lower, the nearer they are to 0 and 1.
    public var temperature: Float {
        get { searchState?.temperature.cast(to: .float32).scalar() ?? 1 }
        set { searchState?.temperature = Tensor([newValue]) }
    }
    /// How many of the last blocks may be skipped; the others are run by all tasks.
    public var openBlocks: Int {
        get { searchState.map { Int($0.openBlocks.cast(to: .float32).scalar()) } ?? 0 }
        set { searchState?.openBlocks = Tensor([Float(newValue)]) }
    }
    private var searchState: SearchState?
    public let taskCount: Int

    /// A trunk whose blocks are all open, every choice even.
    public init(searching trunk: Trunk, taskCount: Int, losses: AdaShareLosses, temperature: Float) {
        (self.trunk, self.taskCount, self.losses, given) = (trunk, taskCount, losses, nil)
        tasks = (0..<taskCount).map { _ in Task(logits: .filled([trunk.blockCount, 2], with: 0.5)) }
        searchState = SearchState(
            temperature: Tensor([temperature]), openBlocks: Tensor([Float(trunk.blockCount)]))
    }

    /// A trunk of which tasks run what a policy says.
    /// - Precondition: the policy is of this trunk's blocks.
    public init(_ trunk: Trunk, following policy: BlockPolicy) {
        let problems = policy.problems(forBlocks: trunk.blockCount, taskCount: policy.tasks.count)
        require(problems.isEmpty, "AdaShare: \(problems.joined(separator: "; "))")
        (self.trunk, taskCount, given, losses) = (trunk, policy.tasks.count, policy, AdaShareLosses())
        (tasks, searchState) = ([], nil)
    }

    public var request: FeatureRequest { trunk.request }
    public var gradientEntry: Int? { trunk.gradientEntry }
    public var featureCount: Int { trunk.featureCount }
    public var blockCount: Int { trunk.blockCount }

    public func following(_ policy: BlockPolicy) -> any Sharing { AdaShare(trunk, following: policy) }

    /// What is decided, or what is more likely than not for each task and block.
    public var policy: BlockPolicy {
        given ?? chosen { $0 >= 0.5 }
    }

    /// How likely each task runs each block; closed blocks are run.
    public var likelihoods: [[Double]] {
        let closed = trunk.blockCount - openBlocks
        return tasks.map { task in
            task.logits.cast(to: .float32).softmax().element(0, along: 1).scalars().enumerated()
                .map { $0 < closed ? 1 : Double($1) }
        }
    }

    /// A policy drawn by the choices' likelihoods.
    public func sampledPolicy(using generator: inout SeededGenerator) -> BlockPolicy {
        given ?? chosen { Double(generator.uniform()) < $0 }
    }

    private func chosen(_ runs: (Double) -> Bool) -> BlockPolicy {
        BlockPolicy(likelihoods.enumerated().map { BlockPolicy.Task("task \($0)", runs: $1.map(runs)) })
    }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let state = trunk.begin(features)
        guard given == nil, let pass else {
            return along(policy, state, features.mask, asked).map { $0.cast(to: .float32) }
        }
        let closed = trunk.blockCount - openBlocks
        let shared = (0..<closed).reduce(state) { trunk.block($1, $0, mask: features.mask) }
        return asked.map { asked in
            let choice = tasks[asked.task].logits.cast(to: .float32)
                .gumbelSoftmax(temperature: temperature, using: &pass.generator)
            let mask = features.mask.map(asked.of)
            let last = (closed..<trunk.blockCount).reduce(asked.of(shared)) { state, block in
                let shares = choice.element(block).cast(to: state.elementType)
                return trunk.block(block, state, mask: mask) * shares.slice(0..<1) + state * shares.slice(1..<2)
            }
            return trunk.vector(last, mask: mask).cast(to: .float32)
        }
    }

    /// The asked tasks' vectors, each along the blocks that it runs; what several run alike so far is run once.
    private func along(_ policy: BlockPolicy, _ state: Tensor, _ mask: Tensor?, _ asked: [TaskRows]) -> [Tensor] {
        var vectors = [Tensor?](repeating: nil, count: asked.count)
        func go(_ state: Tensor, _ mask: Tensor?, _ group: [(place: Int, rows: TaskRows)], at block: Int) {
            if block == trunk.blockCount {
                let vector = trunk.vector(state, mask: mask)
                for (place, rows) in group { vectors[place] = rows.of(vector) }
                return
            }
            for runs in [true, false] {
                var members = group.filter { policy.tasks[$0.rows.task].runs[block] == runs }
                if members.isEmpty { continue }
                var (next, nextMask) = (state, mask)
                if members.count == 1 {
                    let (place, rows) = members[0]
                    (next, nextMask, members) = (rows.of(state), mask.map(rows.of), [(place, TaskRows(rows.task))])
                }
                if runs { next = trunk.block(block, next, mask: nextMask) }
                go(next, nextMask, members, at: block + 1)
            }
        }
        go(state, mask, asked.enumerated().map { ($0, $1) }, at: 0)
        return vectors.map { $0! }
    }

    public func regularization() -> Tensor? {
        given == nil ? losses(of: tasks.map(\.logits), openBlocks: openBlocks) : nil
    }

    public func keepingFrozenWeights(as type: ElementType) -> AdaShare {
        var copy = self
        copy.trunk = trunk.keepingFrozenWeights(as: type)
        return copy
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("trunk", &trunk)
        visitor.modules("tasks", &tasks)
        visitor.module("search", &searchState)
    }
}

/// A sharing policy whose choices of blocks can be searched for, apart from its weights.
///
/// Its choices are the parameters under `tasks`, all others are weights.
public protocol PolicySearching: Sharing {
    var blockCount: Int { get }
    /// Of the relaxed draws; the lower, the nearer they are to 0 and 1.
    var temperature: Float { get set }
    /// How many of the last blocks may be skipped.
    var openBlocks: Int { get set }
    /// How likely each task runs each block; closed blocks are run.
    var likelihoods: [[Double]] { get }
    /// What is decided, or what is more likely than not.
    var policy: BlockPolicy { get }

    /// A policy drawn by the choices' likelihoods.
    func sampledPolicy(using generator: inout SeededGenerator) -> BlockPolicy

    /// The same weights with choices that are decided.
    /// - Precondition: the policy is of these blocks.
    func following(_ policy: BlockPolicy) -> any Sharing
}

/// Where a search stands, beside its logits; `[1]` each.
private struct SearchState: Module {
    var temperature, openBlocks: Tensor

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.buffer("temperature", &temperature)
        visitor.buffer("open_blocks", &openBlocks)
    }
}

/// What is added to the tasks' losses while choices are searched: pressure to skip blocks, and to share them.
///
/// - Source: Sun et al. 2020, AdaShare (arXiv:1911.12423), section 3.2, equations 3 and 4, as its code has them.
public struct AdaShareLosses: Sendable, Hashable, Codable {
    /// How the pressure to share goes with depth, of block `l` from 0 of `L`.
    public enum Ramp: String, Sendable, Hashable, Codable, CaseIterable {
        /// `(L - l) / L`: strongest on early blocks, the paper's.
        case early
        /// `(l + 1) / L`: strongest on late blocks, its code's.
        case late
    }

    /// Of `Σ_k mean_l -log p(task k skips block l)`, over open blocks.
    public var sparsity: Float
    /// Of `Σ_{i<j} Σ_l w_l |α_il - α_jl|`, over the logits of running, of all blocks.
    public var sharing: Float
    public var ramp: Ramp

    public init(sparsity: Float = 0, sharing: Float = 0, ramp: Ramp = .early) {
        (self.sparsity, self.sharing, self.ramp) = (sparsity, sharing, ramp)
    }

    /// The sum of both; `nil` where there is none.
    ///
    /// - Parameter logits: for each task, `[L, 2]`.
    public func callAsFunction(of logits: [Tensor], openBlocks: Int) -> Tensor? {
        let blocks = logits.first?.shape[0] ?? 0
        let logits = logits.map { $0.cast(to: .float32) }
        var parts: [Tensor] = []
        if sparsity > 0 && openBlocks > 0 {
            parts += logits.map { logits in
                let skipping = logits.logSoftmax().element(1, along: 1).slice(blocks - openBlocks..<blocks)
                return skipping.mean() * -sparsity
            }
        }
        if sharing > 0 {
            let weights = Tensor(
                (0..<blocks).map { Float(ramp == .early ? blocks - $0 : $0 + 1) / Float(blocks) } as [Float])
            for (index, first) in logits.enumerated() {
                for second in logits[(index + 1)...] {
                    let apart = (first.element(0, along: 1) - second.element(0, along: 1)).absolute()
                    parts.append((apart * weights).sum() * sharing)
                }
            }
        }
        return parts.dropFirst().reduce(parts.first) { sum, part in sum.map { $0 + part } }
    }
}
