import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// Trains a backbone together with the heads of all its tasks.
///
/// A batch's pictures are spread over lanes, one for each worker; losses are taken over the whole batch. A task's
/// loss counts the batch's examples that have a label for it. The same seed and the same number of workers give the
/// same bits.
struct NetworkTrainer<Backbone: ImageBackbone>: Sendable {
    let plan: Plan
    let tasks: [TaskData]
    let pictures: DecodedPictures
    let texts: [String: any FeatureSource]
    let workers: Int
    var network: SharedNetwork<Backbone>
    var optimizer: any Optimizer
    var generator: SeededGenerator
    /// Epochs and steps done.
    var epoch = 0
    var step = 0
    var best: Best?
    var isDone = false
    /// Each task's validation score after the first epoch, against which later ones are measured.
    var firstScores: [Double] = []

    /// The network that did best on validation, all tasks taken together.
    struct Best: Sendable {
        var network: SharedNetwork<Backbone>
        var epoch: Int
        /// The tasks' mean relative gain over the first epoch.
        var gain: Double
    }

    /// Gradients are scaled down to this norm.
    private static var gradientLimit: Float { 1 }

    init(
        _ plan: Plan, backbone: Backbone, heads: [TaskHead], tasks: [TaskData], pictures: DecodedPictures,
        texts: [String: any FeatureSource], workers: Int
    ) {
        (self.plan, self.tasks, self.pictures, self.texts, self.workers) = (plan, tasks, pictures, texts, workers)
        network = SharedNetwork(
            backbone: backbone, heads: heads, taskNames: tasks.map(\.name), readTaps: plan.backbone.readTaps)
        generator = SeededGenerator(seed: plan.train.seed).split("network")
        let rate = Float(plan.train.learningRate)
        let decay = Float(plan.train.weightDecay)
        switch plan.train.optimizer {
        case .adamw: optimizer = AdamW(learningRate: rate, weightDecay: decay)
        case .sgd: optimizer = SGD(learningRate: rate, momentum: 0.9, weightDecay: decay, nesterov: true)
        }
        let backboneRate = Float(plan.train.backboneRate)
        optimizer.groups = [
            ParameterGroup(.namedVectors("backbone.*"), learningRateScale: backboneRate, decays: false),
            ParameterGroup(.named("backbone.*"), learningRateScale: backboneRate), .withoutDecay,
        ]
    }

    /// Rows that have a label for any task.
    private var trainingRows: [Int] { Set(tasks.flatMap { $0.examples(in: .train).rows }).sorted() }

    private func batchSize(of count: Int) -> Int { min(plan.train.batchSize, count) }

    /// Trains for one pass over the training pictures and measures every task on validation.
    ///
    /// - Returns: `nil` if cancelled midway; the value is then to be thrown away for the one before the epoch.
    /// - Throws: `TrainingError.notFinite`.
    mutating func trainEpoch(cancellation: CancellationFlag?, _ progress: (_ done: Int, _ total: Int) -> Void)
        throws(TrainingError) -> [EpochReport]?
    {
        let rows = trainingRows.shuffled(using: &generator)
        let size = batchSize(of: rows.count)
        let stepsPerEpoch = rows.count / size
        let total = plan.train.epochs * stepsPerEpoch
        let schedule = Schedule.cosine(
            peak: Float(plan.train.learningRate), warmUpSteps: Int((plan.train.warmup * Double(total)).rounded()),
            totalSteps: total)
        let positions = tasks.map { task in
            Dictionary(uniqueKeysWithValues: zip(task.examples(in: .train).rows, 0...))
        }
        var sums = [Float](repeating: 0, count: tasks.count)
        var counts = [Int](repeating: 0, count: tasks.count)
        for batch in 0..<stepsPerEpoch {
            if cancellation?.isCancelled == true { return nil }
            optimizer.learningRate = schedule(step)
            let losses = takeStep(Array(rows[batch * size..<(batch + 1) * size]), positions)
            for case let (index, loss?) in losses.enumerated() {
                guard loss.isFinite else {
                    throw .notFinite(
                        task: tasks[index].name, epoch: epoch + 1, culprit: "the loss is \(loss) at step \(step + 1)")
                }
                sums[index] += loss
                counts[index] += 1
            }
            step += 1
            progress(step, total)
        }
        epoch += 1
        if let broken = network.namedTensors.first(where: { !$0.tensor.isFinite }) {
            throw .notFinite(
                task: tasks[0].name, epoch: epoch, culprit: "the weight '\(broken.name)' is no longer finite")
        }
        return reports(losses: zip(sums, counts).map { $0 / Float(max($1, 1)) })
    }

    /// One step along the gradient of all tasks' losses. Returns each task's loss; `nil` where the batch has no label.
    private mutating func takeStep(_ rows: [Int], _ positions: [[Int: Int]]) -> [Float?] {
        let stream = generator.split("step \(step)")
        var losses = [Float?](repeating: nil, count: tasks.count)
        var updates = BufferUpdates()
        let (plan, pictures) = (plan, pictures)
        let (_, gradients) = valueAndGradients(of: network) { network in
            let lanes = inLanes(min(workers, rows.count)) { lane in
                let stream = stream.split("lane \(lane.index)")
                var changes: SeededGenerator? = plan.train.augments ? stream.split("pictures") : nil
                let input = pictures.batch(rows[lane.share(of: rows.count)], augmentedUsing: &changes)
                let pass = TrainingPass(using: stream.split("pass"))
                let vectors = network.vectors(of: input.cast(to: plan.train.precision.elementType), during: pass)
                return (vectors: vectors, updates: pass.updates)
            }
            updates = lanes[0].updates
            let vectors = Tensor.concatenated(lanes.map(\.vectors))
            var dropout: SeededGenerator? = stream.split("heads")
            var total = Tensor(Float(0))
            for (index, task) in tasks.enumerated() {
                let labelled = rows.indices.filter { positions[index][rows[$0]] != nil }
                if labelled.isEmpty { continue }
                let features =
                    labelled.count == rows.count
                    ? vectors : vectors.gathered(at: Tensor(labelled.map { Int64($0) }))
                let targets = task.examples(in: .train).batch(
                    labelled.map { positions[index][rows[$0]]! }, texts: texts[task.name])
                let loss = network.heads[index].loss(features, targets, using: &dropout) * Float(task.plan.weight)
                losses[index] = loss.scalar()
                total = total + loss
            }
            return total
        }
        optimizer.update(&network, along: gradients.clipped(toNorm: Self.gradientLimit))
        network.updateBuffers(by: updates)
        return losses
    }

    // MARK: Measuring

    /// Vectors of all pictures that stand in one of `splits`, by row of the data set.
    func features(of network: SharedNetwork<Backbone>, in splits: [Split]) -> any FeatureSource {
        let rows = Set(tasks.flatMap { task in splits.flatMap { task.examples(in: $0).rows } }).sorted()
        return RowFeatures(
            rows: rows, vectors: plan.vectors(of: rows, in: pictures, through: network.backbone, workers: workers),
            rowCount: pictures.count)
    }

    private mutating func reports(losses: [Float]) -> [EpochReport] {
        let features = features(of: network, in: [.validation])
        let metrics = zip(tasks, network.heads).map { task, head in
            head.metrics(on: task.examples(in: .validation), features: features, texts: texts[task.name])
        }
        let scores = metrics.map(\.watched)
        if firstScores.isEmpty { firstScores = scores.map(\.value) }
        let gain = RelativeGain.mean(scores, over: zip(scores, firstScores).map { Score($0.name, $1, largerIsBetter: $0.largerIsBetter) })
        let isBest = best.map { gain > $0.gain } ?? true
        if isBest { best = Best(network: network, epoch: epoch, gain: gain) }
        isDone = epoch >= plan.train.epochs || epoch - (best?.epoch ?? epoch) >= plan.train.patience
        return zip(zip(tasks, metrics), losses).map { entry, loss in
            EpochReport(
                task: entry.0.name, epoch: epoch, step: step, loss: loss, learningRate: optimizer.learningRate,
                validation: entry.1, isBest: isBest, isLast: isDone)
        }
    }
}

extension Plan {
    /// Vectors of some pictures as the network, left as it is, gives them.
    ///
    /// - Shapes: `[rows.count, F]`.
    func vectors(of rows: [Int], in pictures: DecodedPictures, through network: any ImageBackbone, workers: Int)
        -> Tensor
    {
        let frozen = self.frozen(network)
        var none: SeededGenerator?
        let blocks = rows.indices.blocks(of: 32 * workers).map { block in
            frozen.vectors(of: pictures.batch(rows[block], augmentedUsing: &none), workers: workers)
        }
        return .concatenated(blocks)
    }
}

/// Vectors of some of a data set's rows.
struct RowFeatures: FeatureSource {
    private let vectors: TensorFeatures
    /// Where each row stands in the vectors.
    private let places: [Int: Int]
    let rowCount: Int

    var featureCount: Int { vectors.featureCount }

    /// - Shapes: `vectors` `[rows.count, F]`.
    init(rows: [Int], vectors: Tensor, rowCount: Int) {
        self.vectors = TensorFeatures(vectors)
        places = Dictionary(uniqueKeysWithValues: zip(rows, 0...))
        self.rowCount = rowCount
    }

    /// - Precondition: the rows are among those that there are vectors of.
    func rows(_ indices: [Int]) -> Tensor {
        vectors.rows(indices.map { index in
            guard let place = places[index] else { stop("RowFeatures: there is no vector of row \(index)") }
            return place
        })
    }
}
