import Foundation
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

extension TaskHead {
    /// A task's head before training: standardisation from the training examples, the linear path from the ridge
    /// solution that does best on validation, a hidden path that adds nothing yet.
    ///
    /// - Parameter generator: for what starts at random (hidden layers, the directions that texts are projected on).
    init(
        startingFor data: TaskData, features: any FeatureSource, texts: (any FeatureSource)?,
        using generator: inout SeededGenerator
    ) {
        let train = data.examples(in: .train)
        let standardization = Standardization(of: features, rows: train.rows)
        let head = data.plan.head
        let hidden = head.kind == .mlp ? head.hidden : nil
        let weights = LossWeights(data.plan, targets: train.targets, labelCount: data.labels.count).tensor

        func predictor(outputs: Int) -> Predictor {
            Predictor(
                standardization, outputs: outputs, hiddenCount: hidden, dropout: Float(head.dropout), using: &generator)
        }
        func start(targets: Tensor, priors: [Float], gains: [Float], _ make: (Linear) -> TaskHead) -> TaskHead {
            let ridge = Ridge(features, rows: train.rows, standardization: standardization, targets: targets)
            return RidgeStart(ridge: ridge, priors: priors, gains: gains, data: data, features: features, texts: texts)
                .best(make)
        }

        switch train.targets {
        case .classes(let classes):
            let count = data.labels.count
            let plain = predictor(outputs: count)
            let targets = multiHot(classes.map { [$0] }, count: count)
            let shares = targets.mean(along: [0]).scalars()
            self = start(targets: targets, priors: shares.map { log(max($0, 1e-6)) }, gains: RidgeStart.logitGains) {
                .classification(
                    ClassificationHead(
                        plain.startingFrom(linear: $0), classWeights: weights,
                        labelSmoothing: Float(data.plan.labelSmoothing)))
            }
        case .labels(let labels, let count):
            let plain = predictor(outputs: count)
            let targets = multiHot(labels, count: count)
            let shares = targets.mean(along: [0]).scalars().map { min(max($0, 1e-6), 1 - 1e-6) }
            self = start(
                targets: targets, priors: shares.map { log($0 / (1 - $0)) }, gains: RidgeStart.logitGains
            ) {
                .tagging(
                    TaggingHead(
                        plain.startingFrom(linear: $0), positiveWeights: weights,
                        focalGamma: Float(data.plan.focalGamma)))
            }
        case .numbers(let numbers):
            let plain = predictor(outputs: 1)
            let (mean, scale) = meanAndDeviation(numbers)
            let targets = Tensor(numbers.map { ($0 - mean) / scale }, shape: [numbers.count, 1])
            self = start(targets: targets, priors: [0], gains: [1]) {
                .regression(
                    RegressionHead(plain.startingFrom(linear: $0), targetMean: mean, targetScale: scale))
            }
        case .texts(let textRows):
            guard let texts else { stop("TaskHead: retrieval starts from text features") }
            let image = predictor(outputs: head.projection)
            let text = TaskHead.textProjection(head, texts, rows: textRows, using: &generator)
            // Images begin by pointing where their texts point.
            let places = text(texts.rows(textRows))
            self = start(targets: places, priors: [Float](repeating: 0, count: head.projection), gains: [1]) {
                .retrieval(RetrievalHead(image: image.startingFrom(linear: $0), text: text))
            }
        }
    }

    /// Texts start on random directions, which keep their angles about as they are.
    static func textProjection(
        _ head: HeadPlan, _ texts: any FeatureSource, rows: [Int], using generator: inout SeededGenerator
    ) -> Predictor {
        let standardization = Standardization(of: texts, rows: rows)
        let text = Predictor(standardization, outputs: head.projection, dropout: Float(head.dropout), using: &generator)
        let directions = Tensor.normal(
            mean: 0, deviation: 1 / Float(head.projection).squareRoot(), [head.projection, texts.featureCount],
            using: &generator)
        return text.startingFrom(linear: Linear(weight: directions, bias: .zeros([head.projection])))
    }
}

/// Tries ridge solutions and takes the one with the best validation metric.
private struct RidgeStart {
    let ridge: Ridge
    /// The outputs at the features' means.
    let priors: [Float]
    /// What the solution is multiplied by: a least-squares fit to 0 and 1 makes too timid logits.
    let gains: [Float]
    let data: TaskData
    let features: any FeatureSource
    let texts: (any FeatureSource)?

    static let logitGains: [Float] = [2, 4, 8, 16]
    private static let strengths: [Float] = [0.01, 0.03, 0.1, 0.3, 1, 3]

    func best(_ make: (Linear) -> TaskHead) -> TaskHead {
        var best: (head: TaskHead, score: Score)?
        for strength in Self.strengths {
            let head = withBestGain(ridge.weights(strength: strength), make)
            let score = metrics(of: head).watched
            if best.map({ score.isBetter(than: $0.score) }) ?? true { best = (head, score) }
        }
        guard let best else { stop("RidgeStart: no strengths") }
        return best.head
    }

    /// The gain hardly changes an order, so the loss decides it.
    private func withBestGain(_ weights: Tensor, _ make: (Linear) -> TaskHead) -> TaskHead {
        let candidates = gains.map { make(Linear(weight: weights * $0, bias: Tensor(priors))) }
        guard candidates.count > 1 else { return candidates[0] }
        let examples = data.examples(in: .validation)
        let losses = candidates.map { $0.meanLoss(on: examples, features: features, texts: texts) }
        return candidates[losses.indices.min { losses[$0] < losses[$1] } ?? 0]
    }

    private func metrics(of head: TaskHead) -> TaskMetrics {
        head.metrics(on: data.examples(in: .validation), features: features, texts: texts)
    }
}

extension TaskHead {
    /// The mean loss without dropout, of equal batches weighted by their size.
    func meanLoss(on examples: TaskExamples, features: any FeatureSource, texts: (any FeatureSource)?) -> Float {
        var none: SeededGenerator?
        var sum: Float = 0
        for block in (0..<examples.count).blocks(of: 512) {
            let targets = examples.batch(block, texts: texts)
            sum += loss(features.rows(Array(examples.rows[block])), targets, using: &none).scalar() * Float(block.count)
        }
        return sum / Float(max(examples.count, 1))
    }
}

/// The scale is 1 if all numbers are equal.
func meanAndDeviation(_ numbers: [Float]) -> (mean: Float, scale: Float) {
    let mean = numbers.reduce(0.0) { $0 + Double($1) } / Double(numbers.count)
    let variance = numbers.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(numbers.count)
    return (Float(mean), variance > 0 ? Float(variance.squareRoot()) : 1)
}
