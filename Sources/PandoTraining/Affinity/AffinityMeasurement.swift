import PandoBranches
import PandoData
import PandoNN
import PandoTensor

extension TaskAffinity {
    /// How a joint run is measured.
    public struct Settings: Sendable, Hashable {
        /// How often is looked ahead.
        public var measurements = 4
        /// Steps from one look ahead to the next.
        public var interval = 20
        /// Steps of a look ahead.
        public var lookAhead = 3
        /// The learning rate of these steps, as a share of the run's: small steps tell where they lead, large ones how far
        /// they overshoot.
        public var rateScale = 0.25
        /// Examples of each task in a step that looks ahead, at most.
        public var batchSize = 64

        public init() {}
    }

    /// Measures tasks along a joint run.
    ///
    /// For each look ahead, the trainer is copied: a trainer is a value, so every try begins with the same bits of weights,
    /// optimizer and random numbers, and the run goes on from them as if nothing had been tried.
    /// - Source: the affinity estimator in the code around Sun et al. 2023 (arXiv:2308.12949). Ours looks at losses, not at
    ///   metrics; holds steps of a task with another against steps of the same examples alone, where theirs takes a second
    ///   batch of the task beside the other's; and divides by the loss before.
    /// - Throws: `TrainingError.notFinite`; `CancellationError`.
    public init(
        of run: JointTrainer, settings: Settings = Settings(), cancellation: CancellationFlag? = nil,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws {
        self.init(run.joint.tasks.map(\.name))
        var run = run
        run.balancing = GramianRecorder()
        // A limit on all tasks' gradients together would shorten a task's own steps beside another's.
        run.gradientLimit = .infinity
        let rate = Float(run.plan.learningRate)
        var generator = SeededGenerator(seed: run.plan.seed).split("affinity")
        for measurement in 0..<settings.measurements {
            for _ in 0..<settings.interval {
                if cancellation?.isCancelled == true { throw CancellationError() }
                try run.takeStep(learningRate: rate)
            }
            for gramian in (run.balancing as? GramianRecorder)?.gramians ?? [] where gramian.count == tasks.count * tasks.count {
                add(gramian: gramian)
            }
            run.balancing = GramianRecorder()
            try lookAhead(from: run, settings, using: &generator)
            progress(measurement + 1, settings.measurements)
        }
    }

    /// One look ahead: from the same state, each task alone, and each with each other.
    private mutating func lookAhead(
        from state: JointTrainer, _ settings: Settings, using generator: inout SeededGenerator
    ) throws {
        let places = tasks.indices
        let batches = (0..<settings.lookAhead).map { _ in
            places.map { task in
                let size = state.joint.tasks[task].examples(in: .train).count
                return Array((0..<size).shuffled(using: &generator).prefix(settings.batchSize))
            }
        }
        /// The trainer after steps of some tasks.
        func after(_ stepping: [Int]) throws -> JointTrainer {
            var trial = state
            trial.balancing = EqualBalancing()
            trial.optimizer.learningRate = Float(state.plan.learningRate * settings.rateScale)
            for batch in batches { try trial.takeStep(on: places.map { stepping.contains($0) ? batch[$0] : [] }) }
            return trial
        }
        let before = state.losses(in: .validation)
        var alone = before
        var together = places.map { _ in before }
        for task in places {
            alone[task] = try after([task]).losses(of: [task], in: .validation)[0]
            for helper in places where helper > task {
                let losses = try after([task, helper]).losses(of: [task, helper], in: .validation)
                (together[helper][task], together[task][helper]) = (losses[0], losses[1])
            }
        }
        add(before: before.map { max($0, 1e-9) }, alone: alone, together: together)
    }
}

extension JointTrainer {
    /// The mean loss of some tasks on a split, as the branches are now, without dropout.
    func losses(of asked: [Int]? = nil, in split: Split) -> [Double] {
        let asked = asked ?? Array(joint.tasks.indices)
        let vectors = joint.vectors(
            of: asked, in: [split], through: branches.sharing, precision: plan.precision.elementType, workers: workers)
        return zip(asked, vectors).map { task, vectors in
            let data = joint.tasks[task]
            let examples = data.examples(in: split)
            var none: SeededGenerator?
            let targets = examples.batch(0..<examples.count, texts: joint.texts[data.name])
            return Double(branches.heads[task].loss(vectors.rows(examples.rows), targets, using: &none).scalar())
        }
    }
}

/// Equal weights, and a record of the gradients' inner products at each step.
private struct GramianRecorder: Balancing {
    var gramians: [[Double]] = []

    var readsGradients: Bool { true }
    var weighsLosses: Bool { true }
    var state: [String: Tensor] {
        get { [:] }
        set {}
    }

    mutating func weights(for step: BalancingStep) -> [Float] {
        gramians.append(step.gramian)
        return [Float](repeating: 1, count: step.tasks.count)
    }
}
