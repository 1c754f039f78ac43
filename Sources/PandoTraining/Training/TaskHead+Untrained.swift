import PandoBranches
import PandoData
import PandoNN
import PandoTensor

extension TaskHead {
    /// A task's head with weights of the right shapes, to be loaded. The loss's options are the plan's.
    init(untrained data: TaskData, featureCount: Int, textFeatureCount: Int) {
        let train = data.examples(in: .train)
        let weights = LossWeights(data.plan, targets: train.targets, labelCount: data.labels.count)
        self.init(
            untrained: data.plan, labelCount: data.labels.count, featureCount: featureCount,
            textFeatureCount: textFeatureCount, lossWeights: weights.tensor)
    }

    /// A head of a plan's shape with weights to be loaded; `lossWeights` matter only to training.
    public init(
        untrained plan: TaskPlan, labelCount: Int, featureCount: Int, textFeatureCount: Int, lossWeights: Tensor? = nil
    ) {
        // Every weight drawn here is about to be replaced.
        var generator = SeededGenerator(seed: 0)
        func predictor(inputs: Int, outputs: Int, hidden: Int?) -> Predictor {
            Predictor(
                Standardization(identity: inputs), outputs: outputs, hiddenCount: hidden,
                dropout: Float(plan.head.dropout), using: &generator)
        }
        let hidden = plan.head.kind == .mlp ? plan.head.hidden : nil
        switch plan.kind {
        case .classification:
            self = .classification(
                ClassificationHead(
                    predictor(inputs: featureCount, outputs: labelCount, hidden: hidden), classWeights: lossWeights,
                    labelSmoothing: Float(plan.labelSmoothing)))
        case .multilabel:
            self = .tagging(
                TaggingHead(
                    predictor(inputs: featureCount, outputs: labelCount, hidden: hidden),
                    positiveWeights: lossWeights, focalGamma: Float(plan.focalGamma)))
        case .regression:
            self = .regression(RegressionHead(predictor(inputs: featureCount, outputs: 1, hidden: hidden)))
        case .retrieval:
            self = .retrieval(
                RetrievalHead(
                    image: predictor(inputs: featureCount, outputs: plan.head.projection, hidden: hidden),
                    text: predictor(inputs: textFeatureCount, outputs: plan.head.projection, hidden: nil)))
        }
    }
}

/// How much each class counts in a task's loss.
struct LossWeights: Sendable {
    /// `[K]`, or `nil` if all count alike.
    let tensor: Tensor?

    /// A positive of a rare label counts at most so much.
    private static let largest: Float = 100

    init(_ plan: TaskPlan, targets: TaskExamples.Targets, labelCount: Int) {
        guard plan.classWeights == .balanced else {
            tensor = nil
            return
        }
        switch targets {
        case .classes(let classes):
            // Inverse frequencies, on average 1 over the examples.
            let counts = Self.counts(of: classes.map { [$0] }, labelCount: labelCount)
            tensor = Tensor(counts.map { Float(classes.count) / (Float(labelCount) * max($0, 1)) })
        case .labels(let labels, _):
            // Positives and negatives of a label count alike in sum.
            let total = Float(labels.count)
            let counts = Self.counts(of: labels, labelCount: labelCount)
            tensor = Tensor(counts.map { min(max(total - $0, 1) / max($0, 1), Self.largest) })
        case .numbers, .texts:
            tensor = nil
        }
    }

    private static func counts(of labels: [[Int]], labelCount: Int) -> [Float] {
        var counts = [Float](repeating: 0, count: labelCount)
        for label in labels.joined() { counts[label] += 1 }
        return counts
    }
}
