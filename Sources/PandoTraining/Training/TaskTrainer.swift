import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// What a task reports after each epoch.
public struct EpochReport: Sendable {
    public var task: String
    /// From 1; 0 is the start, before anything is trained.
    public var epoch: Int
    public var step: Int
    /// The mean training loss, times the task's weight; `nil` before training.
    public var loss: Float?
    public var learningRate: Float
    public var validation: TaskMetrics
    /// Whether it is the task's best so far.
    public var isBest: Bool
    /// Whether the task stops here: the last epoch, or no better one for long.
    public var isLast: Bool
}

/// One task on its way: everything that changes while it trains.
///
/// Tasks on a frozen backbone share nothing that is trained, so the gradient of their joint loss falls apart into
/// each task's own; each therefore samples, steps and stops by itself. A value: keeping an old copy is how an epoch
/// is taken back.
///
/// A batch is spread over lanes where the adapter has anything to learn; the loss is taken over the whole batch.
struct TaskTrainer: Sendable {
    let task: BranchTask
    let plan: TrainPlan
    /// Threads that share a batch.
    let workers: Int
    var branch: Branch
    var optimizer: any Optimizer
    var generator: SeededGenerator
    /// Epochs and steps done.
    var epoch = 0
    var step = 0
    var best: Best
    var isDone = false
    /// What validation said before the first step; `nil` in a training that goes on.
    private var start: TaskMetrics?

    /// The branch that did best on validation.
    struct Best: Sendable {
        var branch: Branch
        var epoch: Int
        var score: Double
    }

    /// Gradients of a branch whose adapter learns are scaled down to this norm.
    private static let gradientLimit: Float = 1

    var data: TaskData { task.data }

    /// The task before its first step.
    init(_ task: BranchTask, plan: TrainPlan, workers: Int) {
        var generator = SeededGenerator(seed: plan.seed).split("task \(task.data.name)")
        let branch = Branch(startingFor: task, precision: plan.precision.elementType, workers: workers, using: &generator)
        self.init(task, plan: plan, workers: workers, branch: branch, generator: generator)
        let metrics = validation()
        (start, best.score) = (metrics, metrics.watched.value)
    }

    /// The task with a given branch; the best score is for the caller to set.
    init(_ task: BranchTask, plan: TrainPlan, workers: Int, branch: Branch, generator: SeededGenerator) {
        (self.task, self.plan, self.workers) = (task, plan, workers)
        self.branch = branch
        self.generator = generator
        best = Best(branch: branch, epoch: 0, score: .nan)
        let rate = Float(plan.learningRate)
        switch plan.optimizer {
        case .adamw: optimizer = AdamW(learningRate: rate, weightDecay: Float(plan.weightDecay))
        case .sgd:
            optimizer = SGD(learningRate: rate, momentum: 0.9, weightDecay: Float(plan.weightDecay), nesterov: true)
        }
        let scale = Float(task.data.plan.adapter.learningRateScale)
        optimizer.groups = [
            ParameterGroup(.namedVectors("adapter.*"), learningRateScale: scale, decays: false),
            ParameterGroup(.named("adapter.*"), learningRateScale: scale),
        ]
    }

    /// Whether the adapter has anything to learn; else the head alone is trained, on the vectors as they are.
    private var trainsAdapter: Bool { !(branch.adapter is Probe) }

    private var train: TaskExamples { data.examples(in: .train) }

    /// Batches of one size; what is left over sits out until the next shuffle.
    private var batchSize: Int { min(plan.batchSize, train.count) }
    var stepsPerEpoch: Int { train.count / batchSize }

    private var schedule: Schedule {
        let total = plan.epochs * stepsPerEpoch
        return .cosine(
            peak: Float(plan.learningRate), warmUpSteps: Int((plan.warmup * Double(total)).rounded()), totalSteps: total)
    }

    /// How good the branch is on validation now.
    func validation() -> TaskMetrics {
        branch.metrics(
            on: data.examples(in: .validation), of: task, precision: plan.precision.elementType, workers: workers)
    }

    /// The report of epoch 0.
    func startReport() -> EpochReport {
        EpochReport(
            task: data.name, epoch: 0, step: 0, loss: nil, learningRate: 0, validation: start ?? validation(),
            isBest: true, isLast: false)
    }

    /// Trains for one pass over the task's training examples.
    ///
    /// - Returns: `nil` if cancelled midway; the value is then to be thrown away for the one before the epoch.
    /// - Throws: `TrainingError.notFinite`.
    mutating func trainEpoch(cancellation: CancellationFlag?) throws(TrainingError) -> EpochReport? {
        let order = Array(0..<train.count).shuffled(using: &generator)
        let schedule = schedule
        var sum: Float = 0
        for start in stride(from: 0, through: order.count - batchSize, by: batchSize) {
            if cancellation?.isCancelled == true { return nil }
            let positions = order[start..<start + batchSize]
            let rows = positions.map { train.rows[$0] }
            let features = task.features.features(rows, workers: workers)
            let targets = train.batch(positions, texts: task.texts)
            optimizer.learningRate = schedule(step)
            var (loss, gradients, updates) = lossAndGradients(features, targets)
            guard loss.isFinite else { throw notFinite(loss: loss, features: features, rows: rows, targets: targets) }
            if trainsAdapter { gradients.clip(toNorm: Self.gradientLimit) }
            optimizer.update(&branch, along: gradients)
            branch.updateBuffers(by: updates)
            sum += loss
            step += 1
        }
        epoch += 1
        if let broken = branch.namedTensors.first(where: { !$0.tensor.isFinite }) {
            throw .notFinite(task: data.name, epoch: epoch, culprit: "the weight '\(broken.name)' is no longer finite")
        }
        return report(loss: sum / Float(stepsPerEpoch), rate: optimizer.learningRate)
    }

    /// The loss of a batch, its gradients, and what the batch says of running statistics.
    private mutating func lossAndGradients(_ features: Features, _ targets: TaskHead.Targets)
        -> (loss: Float, gradients: Gradients, updates: BufferUpdates)
    {
        let weight = Float(data.plan.weight)
        var dropout: SeededGenerator? = generator
        var updates = BufferUpdates()
        let stream = generator.split("step \(step)")
        let (count, isLearned, precision) = (features.count, trainsAdapter, plan.precision.elementType)
        let lanes = min(workers, count)
        let (loss, gradients) = valueAndGradients(of: branch) { branch in
            var vectors = features.pooled
            if isLearned {
                let adapter = branch.adapter.ready(toComputeIn: precision)
                @Sendable func adapted(_ part: Features, _ pass: TrainingPass) -> Tensor {
                    adapter(part.prepared(for: adapter, precision: precision), during: pass)
                }
                if lanes == 1 {
                    let pass = TrainingPass(using: stream.split("lane 0"))
                    (vectors, updates) = (adapted(features, pass), pass.updates)
                } else {
                    let parts = inLanes(lanes) { lane in
                        let pass = TrainingPass(using: stream.split("lane \(lane.index)"))
                        return (vectors: adapted(features.slice(lane.share(of: count)), pass), updates: pass.updates)
                    }
                    (vectors, updates) = (.concatenated(parts.map(\.vectors)), parts[0].updates)
                }
            }
            return branch.head.loss(vectors, targets, using: &dropout) * weight
        }
        if let dropout { generator = dropout }
        return (loss.scalar(), gradients, updates)
    }

    private mutating func report(loss: Float, rate: Float) -> EpochReport {
        let metrics = validation()
        let watched = metrics.watched
        let isBest = watched.isBetter(than: Score(watched.name, best.score, largerIsBetter: watched.largerIsBetter))
        if isBest { best = Best(branch: branch, epoch: epoch, score: watched.value) }
        isDone = epoch >= plan.epochs || epoch - best.epoch >= plan.patience
        return EpochReport(
            task: data.name, epoch: epoch, step: step, loss: loss, learningRate: rate, validation: metrics,
            isBest: isBest, isLast: isDone)
    }

    /// Finds what made the loss no number: a feature, a target, a weight, or the step size.
    private func notFinite(loss: Float, features: Features, rows: [Int], targets: TaskHead.Targets) -> TrainingError {
        func broken(_ tensor: Tensor) -> Int? { rows.indices.first { !tensor.slice($0..<$0 + 1).isFinite } }
        let culprit: String
        if let position = ([features.pooled] + features.taps.values).compactMap(broken).first {
            culprit = "the features of example \(rows[position]) are not finite"
        } else if case .texts(let texts) = targets, let position = broken(texts) {
            culprit = "the text features of example \(rows[position]) are not finite"
        } else if let broken = branch.namedTensors.first(where: { !$0.tensor.isFinite }) {
            culprit = "the weight '\(broken.name)' is no longer finite after step \(step)"
        } else {
            culprit = "the loss is \(loss) at step \(step)"
        }
        return .notFinite(task: data.name, epoch: epoch + 1, culprit: culprit)
    }
}
