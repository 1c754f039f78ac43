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
struct TaskTrainer: Sendable {
    let data: TaskData
    let plan: TrainPlan
    var head: TaskHead
    var optimizer: any Optimizer
    var generator: SeededGenerator
    /// Epochs and steps done.
    var epoch = 0
    var step = 0
    var best: Best
    var isDone = false

    /// The head that did best on validation.
    struct Best: Sendable {
        var head: TaskHead
        var epoch: Int
        var score: Double
    }

    private var features: any FeatureSource
    private var texts: (any FeatureSource)?

    /// The task before its first step.
    init(_ data: TaskData, plan: TrainPlan, features: any FeatureSource, texts: (any FeatureSource)?) {
        var generator = SeededGenerator(seed: plan.seed).split("task \(data.name)")
        let head = TaskHead(startingFor: data, features: features, texts: texts, using: &generator)
        self.init(data, plan: plan, features: features, texts: texts, head: head, generator: generator)
        best.score = validation().watched.value
    }

    /// The task with a given head; the best score is for the caller to set.
    init(
        _ data: TaskData, plan: TrainPlan, features: any FeatureSource, texts: (any FeatureSource)?, head: TaskHead,
        generator: SeededGenerator
    ) {
        self.data = data
        self.plan = plan
        self.features = features
        self.texts = texts
        self.head = head
        self.generator = generator
        best = Best(head: head, epoch: 0, score: .nan)
        let rate = Float(plan.learningRate)
        switch plan.optimizer {
        case .adamw: optimizer = AdamW(learningRate: rate, weightDecay: Float(plan.weightDecay))
        case .sgd:
            optimizer = SGD(learningRate: rate, momentum: 0.9, weightDecay: Float(plan.weightDecay), nesterov: true)
        }
    }

    private var train: TaskExamples { data.examples(in: .train) }

    /// Batches of one size; what is left over sits out until the next shuffle.
    private var batchSize: Int { min(plan.batchSize, train.count) }
    var stepsPerEpoch: Int { train.count / batchSize }

    private var schedule: Schedule {
        let total = plan.epochs * stepsPerEpoch
        return .cosine(
            peak: Float(plan.learningRate), warmUpSteps: Int((plan.warmup * Double(total)).rounded()), totalSteps: total)
    }

    /// How good the head is on validation now.
    func validation() -> TaskMetrics {
        head.metrics(on: data.examples(in: .validation), features: features, texts: texts)
    }

    /// The report of epoch 0.
    func startReport() -> EpochReport {
        EpochReport(
            task: data.name, epoch: 0, step: 0, loss: nil, learningRate: 0, validation: validation(), isBest: true,
            isLast: false)
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
            let inputs = features.rows(rows)
            let targets = train.batch(positions, texts: texts)
            optimizer.learningRate = schedule(step)
            let weight = Float(data.plan.weight)
            var dropout: SeededGenerator? = generator
            let (loss, gradients) = valueAndGradients(of: head) {
                $0.loss(inputs, targets, using: &dropout) * weight
            }
            if let dropout { generator = dropout }
            let value: Float = loss.scalar()
            guard value.isFinite else { throw notFinite(loss: value, inputs: inputs, rows: rows, targets: targets) }
            optimizer.update(&head, along: gradients)
            sum += value
            step += 1
        }
        epoch += 1
        if let broken = head.namedTensors.first(where: { !$0.tensor.isFinite }) {
            throw .notFinite(task: data.name, epoch: epoch, culprit: "the weight '\(broken.name)' is no longer finite")
        }
        return report(loss: sum / Float(stepsPerEpoch), rate: optimizer.learningRate)
    }

    private mutating func report(loss: Float, rate: Float) -> EpochReport {
        let metrics = validation()
        let watched = metrics.watched
        let isBest = watched.isBetter(than: Score(watched.name, best.score, largerIsBetter: watched.largerIsBetter))
        if isBest { best = Best(head: head, epoch: epoch, score: watched.value) }
        isDone = epoch >= plan.epochs || epoch - best.epoch >= plan.patience
        return EpochReport(
            task: data.name, epoch: epoch, step: step, loss: loss, learningRate: rate, validation: metrics,
            isBest: isBest, isLast: isDone)
    }

    /// Finds what made the loss no number: a feature, a target, a weight, or the step size.
    private func notFinite(loss: Float, inputs: Tensor, rows: [Int], targets: TaskHead.Targets) -> TrainingError {
        let culprit: String
        if let position = rows.indices.first(where: { !inputs.slice($0..<$0 + 1).isFinite }) {
            culprit = "the features of example \(rows[position]) are not finite"
        } else if case .texts(let texts) = targets,
            let position = rows.indices.first(where: { !texts.slice($0..<$0 + 1).isFinite })
        {
            culprit = "the text features of example \(rows[position]) are not finite"
        } else if let broken = head.namedTensors.first(where: { !$0.tensor.isFinite }) {
            culprit = "the weight '\(broken.name)' is no longer finite after step \(step)"
        } else {
            culprit = "the loss is \(loss) at step \(step)"
        }
        return .notFinite(task: data.name, epoch: epoch + 1, culprit: culprit)
    }
}
