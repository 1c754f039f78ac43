import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// Searches for the blocks that each task runs: weights and choices learn in turns, on parts of the training examples that
/// share none; then networks of fresh weights are trained along policies drawn from what was found.
///
/// - Source: Sun et al. 2020, AdaShare (arXiv:1911.12423), section 3.3 and its code: warm-up without choices, rounds in which
///   ever more blocks are open from the last on and draws get colder, retraining of drawn policies. Weights learn by AdamW
///   throughout, where the code has SGD while searching; rounds are measured along the likelier choices, not drawn ones;
///   these are one of the policies that are trained anew.
public struct AdaShareSearch: Sendable {
    /// How a search goes.
    public struct Settings: Sendable, Hashable {
        /// Passes over all training examples before choices are searched.
        public var warmUpEpochs = 2
        /// Each is a pass over the examples of weights and one over those of choices.
        public var rounds = 12
        /// After so many rounds one more block is open.
        public var roundsPerBlock = 1
        /// The share of each task's training examples that choices learn from.
        public var choiceShare = 0.2
        /// Of the first round's draws, and what each round multiplies it by.
        public var temperature: Float = 5
        public var cooling: Float = 0.965
        /// The choices' learning rate; weights learn at the plan's.
        public var choiceRate: Float = 0.01
        /// Policies that are trained anew.
        public var candidates = 8

        public init() {}
    }

    /// What a search came to.
    public struct Found: Sendable {
        /// The likelier choices of the round that was best on validation, of those in which all blocks had been open long
        /// enough.
        public let policy: BlockPolicy
        /// How likely each task runs each block, in that round.
        public let likelihoods: [[Double]]
        /// The tasks' mean relative gain on validation over the first round, by round.
        public let gains: [Double]
        /// What is to be trained anew: the likelier choices, then drawn ones; none twice.
        public let candidates: [BlockPolicy]
    }

    let plan: TrainPlan
    let joint: JointTasks
    let settings: Settings
    let workers: Int
    private let start: any PolicySearching
    private let generator: SeededGenerator

    /// - Precondition: what the tasks share has choices, and none is decided; there are more rounds
    ///   than opening all blocks takes.
    public init(
        _ plan: TrainPlan, _ joint: JointTasks, settings: Settings = Settings(),
        workers: Int = MachineResources.allowedCores
    ) {
        guard let start = joint.sharing as? any PolicySearching, !start.likelihoods.isEmpty else {
            stop("AdaShareSearch: \(type(of: joint.sharing)) has no choices of blocks to search for")
        }
        require(
            settings.rounds > start.blockCount * settings.roundsPerBlock,
            "AdaShareSearch: \(settings.rounds) rounds do not leave time for \(start.blockCount) blocks, "
                + "\(settings.roundsPerBlock) for each")
        (self.plan, self.joint, self.settings, self.workers, self.start) = (plan, joint, settings, workers, start)
        generator = SeededGenerator(seed: plan.seed).split("adashare")
    }

    /// Warms up and searches.
    /// - Throws: `TrainingError.notFinite`; `CancellationError`.
    public func run(cancellation: CancellationFlag? = nil) throws -> Found {
        let parts = JointParts(joint, share: settings.choiceShare, using: generator.split("parts"))
        var learner = Learner(of: self, parts: parts)
        learner.sharing.openBlocks = 0
        for _ in 0..<settings.warmUpEpochs { try learner.learnWeights(from: parts.all, cancellation) }
        learner.startOver()
        learner.sharing.temperature = settings.temperature
        var best: (gain: Double, sharing: any PolicySearching)?
        var gains: [Double] = []
        var firstScores: [Score] = []
        for round in 0..<settings.rounds {
            learner.sharing.openBlocks = min(start.blockCount, round / max(settings.roundsPerBlock, 1) + 1)
            try learner.learnWeights(from: parts.weights, cancellation)
            let scores = learner.scores
            if firstScores.isEmpty { firstScores = scores }
            gains.append(RelativeGain.mean(scores, over: firstScores))
            if round >= start.blockCount * settings.roundsPerBlock, gains[round] > best?.gain ?? -.infinity {
                best = (gains[round], learner.sharing)
            }
            try learner.learnChoices(from: parts.choices, cancellation)
            learner.sharing.temperature *= settings.cooling
        }
        let found = best?.sharing ?? learner.sharing
        let names = joint.tasks.map(\.name)
        var draws = generator.split("draws")
        var candidates = [found.policy.naming(names)]
        for _ in 0..<20 * settings.candidates where candidates.count < settings.candidates {
            let drawn = found.sampledPolicy(using: &draws).naming(names)
            if !candidates.contains(drawn) { candidates.append(drawn) }
        }
        return Found(
            policy: candidates[0], likelihoods: found.likelihoods, gains: gains,
            candidates: Array(candidates.prefix(settings.candidates)))
    }

    /// Trains fresh weights along a policy; the trainer is done.
    ///
    /// - Throws: `AdapterError` if the policy is of other tasks or blocks; `TrainingError`; `CancellationError`.
    public func retrain(_ policy: BlockPolicy, cancellation: CancellationFlag? = nil) throws -> JointTrainer {
        let problems = policy.problems(
            forBlocks: start.blockCount, taskCount: joint.tasks.count, names: joint.tasks.map(\.name))
        guard problems.isEmpty else { throw AdapterError("adashare", problems) }
        let tasks = JointTasks(
            joint.tasks, sharing: start.following(policy), features: joint.features, texts: joint.texts)
        var trainer = JointTrainer(
            plan, tasks, stages: [JointStage("joint", tasks: Array(joint.tasks.indices), epochs: plan.epochs, patience: plan.patience)],
            balancing: EqualBalancing(), workers: workers)
        if try trainer.run(cancellation: cancellation) == .interrupted { throw CancellationError() }
        return trainer
    }

    /// Trains fresh weights along every candidate, and keeps what is best on validation.
    /// - Throws: as `retrain`.
    public func retrainBest(of found: Found, cancellation: CancellationFlag? = nil) throws
        -> (policy: BlockPolicy, trainer: JointTrainer)
    {
        let trained = try found.candidates.map { ($0, try retrain($0, cancellation: cancellation)) }
        func scores(_ trainer: JointTrainer) -> [Score] {
            trainer.metrics(in: .validation).sorted { $0.key < $1.key }.map(\.value.primary)
        }
        let reference = scores(trained[0].1)
        let gains = trained.map { RelativeGain.mean(scores($0.1), over: reference) }
        let best = gains.indices.max { gains[$0] < gains[$1] } ?? 0
        return (trained[best].0, trained[best].1)
    }
}

/// Places among each task's training examples: those of weights, and those of choices.
struct JointParts: Sendable {
    let all, weights, choices: [[Int]]

    init(_ joint: JointTasks, share: Double, using generator: SeededGenerator) {
        let orders = joint.sizes.enumerated().map { task, size in
            var stream = generator.split("task \(task)")
            return Array(0..<size).shuffled(using: &stream)
        }
        func cut(_ order: [Int]) -> Int { min(max(1, Int((Double(order.count) * share).rounded())), order.count - 1) }
        all = orders
        weights = orders.map { Array($0.dropFirst(cut($0))) }
        choices = orders.map { Array($0.prefix(cut($0))) }
    }
}

/// Weights and choices while they are searched.
private struct Learner {
    private var trainer: JointTrainer
    private var weightOptimizer: AdamW
    private var choiceOptimizer: AdamW
    private var step = 0
    private let generator: SeededGenerator
    private let plan: TrainPlan
    private let choiceRate: Float
    private let workers: Int

    init(of search: AdaShareSearch, parts: JointParts) {
        (plan, choiceRate, workers) = (search.plan, search.settings.choiceRate, search.workers)
        generator = SeededGenerator(seed: plan.seed).split("adashare steps")
        // Its heads begin as in any joint training; what it would train is trained here.
        trainer = JointTrainer(
            plan, search.joint,
            stages: [JointStage("search", tasks: Array(search.joint.tasks.indices), epochs: 1, patience: 1)],
            balancing: EqualBalancing(), workers: workers)
        (weightOptimizer, choiceOptimizer) = Self.optimizers(plan, choiceRate)
    }

    private static func optimizers(_ plan: TrainPlan, _ choiceRate: Float) -> (weights: AdamW, choices: AdamW) {
        (
            AdamW(
                learningRate: Float(plan.learningRate), weightDecay: Float(plan.weightDecay),
                groups: [.frozen("sharing.tasks.*"), .withoutDecay]),
            AdamW(
                learningRate: choiceRate, weightDecay: 0,
                groups: [ParameterGroup(.named("sharing.tasks.*"), decays: false), ParameterGroup(.all, isFrozen: true)])
        )
    }

    var sharing: any PolicySearching {
        get {
            guard let sharing = trainer.branches.sharing as? any PolicySearching else { stop("AdaShareSearch: no choices") }
            return sharing
        }
        set { trainer.branches.sharing = newValue }
    }

    /// What the optimizers remember is forgotten.
    mutating func startOver() { (weightOptimizer, choiceOptimizer) = Self.optimizers(plan, choiceRate) }

    /// Each task's score on validation, along the likelier choices.
    var scores: [Score] { trainer.metrics(in: .validation).sorted { $0.key < $1.key }.map(\.value.primary) }

    /// A pass over examples that moves weights and heads.
    mutating func learnWeights(from places: [[Int]], _ cancellation: CancellationFlag?) throws {
        try learn(from: places, cancellation) { gradients, names, learner in
            // Choices wait: their gradients do not count in the length that is clipped either.
            gradients.zero(names) { $0.hasPrefix("sharing.tasks.") }
            learner.weightOptimizer.update(&learner.trainer.branches, along: gradients.clipped(toNorm: 1))
        }
    }

    /// A pass over examples that moves choices.
    mutating func learnChoices(from places: [[Int]], _ cancellation: CancellationFlag?) throws {
        try learn(from: places, cancellation) { gradients, names, learner in
            gradients.zero(names) { !$0.hasPrefix("sharing.tasks.") }
            learner.choiceOptimizer.update(&learner.trainer.branches, along: gradients)
        }
    }

    private mutating func learn(
        from places: [[Int]], _ cancellation: CancellationFlag?,
        by move: (inout Gradients, [String], inout Learner) -> Void
    ) throws {
        let total = places.reduce(0) { $0 + $1.count }
        let steps = max(1, total / plan.batchSize)
        let round = generator.split("round \(step)")
        let orders = places.enumerated().map { task, places in
            var stream = round.split("task \(task)")
            return places.shuffled(using: &stream)
        }
        let names = trainer.branches.namedTensors.filter(\.isParameter).map(\.name)
        var balancing: any Balancing = EqualBalancing()
        for index in 0..<steps {
            if cancellation?.isCancelled == true { throw CancellationError() }
            let drawn = orders.map { Array($0[$0.count * index / steps..<$0.count * (index + 1) / steps]) }
            let found = JointStep(
                of: trainer.branches, on: drawn, joint: trainer.joint, precision: plan.precision.elementType, epoch: 0,
                balancing: &balancing, workers: workers, using: generator.split("step \(step)"))
            step += 1
            for case let (task, loss?) in found.losses.enumerated() where !loss.isFinite {
                throw TrainingError.notFinite(
                    task: trainer.joint.tasks[task].name, epoch: 0, culprit: "the loss is \(loss) at step \(step) of the search")
            }
            var gradients = found.gradients
            move(&gradients, names, &self)
        }
    }
}

extension Gradients {
    /// Zeros in the place of those of some parameters.
    fileprivate mutating func zero(_ names: [String], where isLeft: (String) -> Bool) {
        for (index, name) in names.enumerated() where isLeft(name) { tensors[index] = .zeros(tensors[index].shape) }
    }
}
