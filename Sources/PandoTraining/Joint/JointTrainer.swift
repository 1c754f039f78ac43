import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// Trains several tasks together on what they share, in one or several stages.
///
/// At each step examples are drawn from the tasks' mixture, each row goes once through the shared part whoever asks for
/// it, and the balancing method makes one step of the tasks' losses. After each epoch every task is measured on
/// validation; a stage ends when their mean no longer gets better, and its best state is what the next begins with. The
/// same seed and the same number of workers give the same bits, also when training was interrupted between epochs.
public struct JointTrainer: Sendable {
    public let plan: TrainPlan
    public let joint: JointTasks
    public let stages: [JointStage]
    /// What the shared part's learning rate is of the heads'.
    let sharedRate: Float
    let workers: Int

    /// Everything below changes while it trains.
    public internal(set) var branches: SharedBranches
    var balancing: any Balancing
    var optimizer: any Optimizer
    var sampler: MixtureSampler
    /// The stage that is trained now, or the number of stages when all are done.
    public internal(set) var stage = 0
    /// Epochs and steps done in this stage, and in all.
    var stageEpoch = 0, stageStep = 0
    public internal(set) var epoch = 0, step = 0
    /// The best state of this stage.
    var best: Best?
    /// Each task's score after the stage's first epoch, against which later ones are measured.
    var firstScores: [Score] = []
    /// Each task's progress in this stage.
    var progress: [TaskProgress]
    /// Which tasks have been trained so far.
    var hasBegun: [Bool]
    /// The epoch, of all stages together, that the branches of the last finished stage are from.
    var keptEpoch = 0

    struct Best: Sendable {
        var branches: SharedBranches
        var epoch: Int
        /// The tasks' mean relative gain over the stage's first epoch.
        var gain: Double
    }

    /// A task within a stage.
    struct TaskProgress: Sendable, Codable {
        /// The best score's bits, and the stage's epoch it is from.
        var best: UInt64?
        var bestEpoch = 0
        /// Whether it is drawn from only now and then.
        var isResting = false
    }

    /// How a call of `run` ended.
    public typealias Ending = Trainer.Ending

    /// Gradients are scaled down to this norm.
    var gradientLimit: Float = 1

    /// Prepares the first stage.
    /// - Precondition: there is a stage, and every stage has tasks; a task that is in none stays as it is.
    public init(
        _ plan: TrainPlan, _ joint: JointTasks, stages: [JointStage], balancing: any Balancing, sharedRate: Float = 1,
        workers: Int = MachineResources.allowedCores
    ) {
        self.init(
            untrained: plan, joint, stages: stages, balancing: balancing, sharedRate: sharedRate, workers: workers)
        begin()
    }

    /// The trainer with heads of the right shapes, to be loaded.
    init(
        untrained plan: TrainPlan, _ joint: JointTasks, stages: [JointStage], balancing: any Balancing,
        sharedRate: Float, workers: Int
    ) {
        require(
            !stages.isEmpty && stages.allSatisfy { !$0.tasks.isEmpty && joint.tasks.indices.contains($0.tasks.max()!) },
            "JointTrainer: the stages' tasks are \(stages.map(\.tasks)), the tasks 0..<\(joint.tasks.count)")
        (self.plan, self.joint, self.stages, self.balancing) = (plan, joint, stages, balancing)
        (self.sharedRate, self.workers) = (sharedRate, workers)
        let sharing = joint.sharing.keepingFrozenWeights(as: plan.precision.elementType)
        branches = SharedBranches(
            sharing,
            heads: joint.tasks.map {
                TaskHead(
                    untrained: $0, featureCount: sharing.featureCount,
                    textFeatureCount: joint.texts[$0.name]?.featureCount ?? 0)
            })
        sampler = MixtureSampler(sizes: joint.sizes, using: SeededGenerator(seed: plan.seed).split("joint"))
        progress = .init(repeating: TaskProgress(), count: joint.tasks.count)
        hasBegun = .init(repeating: false, count: joint.tasks.count)
        optimizer = AdamW(learningRate: 0)
        resetOptimizer()
    }

    public var isDone: Bool { stage == stages.count }

    /// Examples that a step draws, of all tasks together.
    private var batchSize: Int { min(plan.batchSize, stageSizes.reduce(0, +)) }
    private var stageSizes: [Int] { stages[stage].tasks.map { sampler.sizes[$0] } }
    private var stepsPerEpoch: Int { stageSizes.reduce(0, +) / batchSize }

    private var generator: SeededGenerator { SeededGenerator(seed: plan.seed).split("joint stage \(stage)") }

    // MARK: Stages

    /// Starts the heads of the stage's new tasks, and the optimizer.
    ///
    /// A head starts from the closed-form solution where the shared part already says something: it holds the pretrained
    /// backbone's blocks, or earlier stages have trained it. Else its inputs are only standardised, by a sample.
    private mutating func begin() {
        let new = stages[stage].tasks.filter { !hasBegun[$0] }
        let precision = plan.precision.elementType
        let saysSomething = branches.sharing.gradientEntry != nil || stage > 0
        let vectors = joint.vectors(
            of: new, in: saysSomething ? [.train, .validation] : [.train], through: branches.sharing,
            precision: precision, workers: workers)
        for (task, vectors) in zip(new, vectors) {
            let data = joint.tasks[task]
            var generator = generator.split("head of \(data.name)")
            if saysSomething {
                branches.heads[task] = TaskHead(
                    startingFor: data, features: vectors, texts: joint.texts[data.name], using: &generator)
            } else {
                let rows = data.examples(in: .train).rows
                let sample = stride(from: 0, to: rows.count, by: max(1, rows.count / 1_024)).map { rows[$0] }
                branches.heads[task] = TaskHead(
                    randomFor: data, standardization: Standardization(of: vectors.rows(sample)),
                    texts: joint.texts[data.name], using: &generator)
            }
            hasBegun[task] = true
        }
        (best, firstScores, stageEpoch, stageStep) = (nil, [], 0, 0)
        progress = .init(repeating: TaskProgress(), count: joint.tasks.count)
        resetOptimizer()
    }

    /// A fresh optimizer, which leaves alone the heads of tasks that the stage leaves out.
    mutating func resetOptimizer() {
        switch plan.optimizer {
        case .adamw: optimizer = AdamW(learningRate: 0, weightDecay: Float(plan.weightDecay))
        case .sgd:
            optimizer = SGD(learningRate: 0, momentum: 0.9, weightDecay: Float(plan.weightDecay), nesterov: true)
        }
        guard !isDone else { return }
        let left = joint.tasks.indices.filter { !stages[stage].tasks.contains($0) }
        optimizer.groups =
            left.map { .frozen("heads.\($0).*") } + [
                ParameterGroup(.namedVectors("sharing.*"), learningRateScale: sharedRate, decays: false),
                ParameterGroup(.named("sharing.*"), learningRateScale: sharedRate),
            ]
    }

    /// Goes on to the next stage, from the best state of this one.
    private mutating func endStage() {
        if let best { (branches, keptEpoch) = (best.branches, epoch - stageEpoch + best.epoch) }
        stage += 1
        if !isDone { begin() }
    }

    // MARK: Training

    /// Trains for one epoch of the present stage and measures its tasks on validation.
    ///
    /// - Returns: a report for each task of the stage; `nil` if cancelled midway: the value is then to be thrown away for
    ///   the one before the epoch.
    /// - Throws: `TrainingError.notFinite`.
    public mutating func trainEpoch(
        cancellation: CancellationFlag? = nil, _ report: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws(TrainingError) -> [EpochReport]? {
        require(!isDone, "JointTrainer: all stages are done")
        let stage = stages[self.stage]
        let total = stage.epochs * stepsPerEpoch
        let schedule = Schedule.cosine(
            peak: Float(plan.learningRate * stage.rateScale),
            warmUpSteps: Int((plan.warmup * Double(total)).rounded()), totalSteps: total)
        var sums = [Float](repeating: 0, count: joint.tasks.count)
        var counts = [Int](repeating: 0, count: joint.tasks.count)
        for done in 0..<stepsPerEpoch {
            if cancellation?.isCancelled == true { return nil }
            let losses = try takeStep(learningRate: schedule(stageStep))
            for case let (task, loss?) in losses.enumerated() { (sums[task], counts[task]) = (sums[task] + loss, counts[task] + 1) }
            stageStep += 1
            report(done + 1, stepsPerEpoch)
        }
        (epoch, stageEpoch) = (epoch + 1, stageEpoch + 1)
        if let broken = branches.namedTensors.first(where: { !$0.tensor.isFinite }) {
            throw .notFinite(
                task: joint.tasks[stage.tasks[0]].name, epoch: epoch,
                culprit: "the weight '\(broken.name)' is no longer finite")
        }
        let rate = optimizer.learningRate
        let metrics = metrics(in: .validation)
        let isBest = note(stage.tasks.map { metrics[$0]!.watched })
        let isOver = stageEpoch >= stage.epochs || stageEpoch - (best?.epoch ?? stageEpoch) >= stage.patience
            || (stage.restsTasks && stage.tasks.allSatisfy { progress[$0].isResting })
        let reports = stage.tasks.map { task in
            EpochReport(
                task: joint.tasks[task].name, epoch: epoch, step: step,
                loss: counts[task] > 0 ? sums[task] / Float(counts[task]) : nil, learningRate: rate,
                validation: metrics[task]!, isBest: isBest, isLast: isOver && self.stage == stages.count - 1)
        }
        if isOver { endStage() }
        return reports
    }

    /// The share of each task in what is drawn.
    var shares: [Double] {
        let stage = stages[self.stage]
        let found = stage.mixture.shares(sizes: stageSizes, resting: stage.tasks.map { progress[$0].isResting })
        var shares = [Double](repeating: 0, count: joint.tasks.count)
        for (task, share) in zip(stage.tasks, found) { shares[task] = share }
        return shares
    }

    /// One step on examples drawn from the stage's mixture.
    /// - Throws: `TrainingError.notFinite`.
    @discardableResult
    package mutating func takeStep(learningRate: Float) throws(TrainingError) -> [Float?] {
        optimizer.learningRate = learningRate
        return try takeStep(on: sampler.draw(batchSize, shares: shares, step: step))
    }

    /// One step along the balanced gradient of some tasks' losses on given examples.
    ///
    /// - Parameter drawn: by task, places among its training examples; not all empty.
    /// - Returns: each task's loss; `nil` where nothing was drawn.
    /// - Throws: `TrainingError.notFinite`.
    @discardableResult
    package mutating func takeStep(on drawn: [[Int]]) throws(TrainingError) -> [Float?] {
        let found = JointStep(
            of: branches, on: drawn, joint: joint, precision: plan.precision.elementType, epoch: epoch,
            balancing: &balancing, workers: workers, using: generator.split("step \(step)"))
        for case let (task, loss?) in found.losses.enumerated() where !loss.isFinite {
            throw .notFinite(task: joint.tasks[task].name, epoch: epoch + 1, culprit: "the loss is \(loss) at step \(step + 1)")
        }
        optimizer.update(&branches, along: found.gradients.clipped(toNorm: gradientLimit))
        branches.updateBuffers(by: found.updates)
        step += 1
        return found.losses
    }

    /// Each task's metrics on a split, as the branches are now, by task: of the tasks of the present stage, or of all that were
    /// trained.
    package func metrics(in split: Split) -> [Int: TaskMetrics] {
        let asked = isDone ? joint.tasks.indices.filter { hasBegun[$0] } : stages[stage].tasks
        let vectors = joint.vectors(
            of: asked, in: [split], through: branches.sharing, precision: plan.precision.elementType, workers: workers)
        return Dictionary(
            uniqueKeysWithValues: zip(asked, vectors).map { task, vectors in
                let data = joint.tasks[task]
                return (
                    task,
                    branches.heads[task].metrics(
                        on: data.examples(in: split), features: vectors, texts: joint.texts[data.name])
                )
            })
    }

    /// Takes note of the stage's tasks' scores, and says whether their mean is the best so far.
    private mutating func note(_ scores: [Score]) -> Bool {
        if firstScores.isEmpty { firstScores = scores }
        for (task, score) in zip(stages[stage].tasks, scores) {
            let known = progress[task].best.map { Score(score.name, Double(bitPattern: $0), largerIsBetter: score.largerIsBetter) }
            if known.map({ score.isBetter(than: $0) }) ?? true {
                progress[task] = TaskProgress(best: score.value.bitPattern, bestEpoch: stageEpoch)
            } else if stages[stage].restsTasks, stageEpoch - progress[task].bestEpoch >= stages[stage].patience {
                progress[task].isResting = true
            }
        }
        let gain = RelativeGain.mean(scores, over: firstScores)
        let isBest = best.map { gain > $0.gain } ?? true
        if isBest { best = Best(branches: branches, epoch: stageEpoch, gain: gain) }
        return isBest
    }

    /// The tasks as the last stage left them.
    public var trained: [TrainedTask] {
        joint.tasks.indices.map {
            TrainedTask(data: joint.tasks[$0], branch: branches.branch(of: $0), bestEpoch: keptEpoch, epochs: epoch)
        }
    }
}
