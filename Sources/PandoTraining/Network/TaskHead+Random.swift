import PandoBranches
import PandoData
import PandoNN
import PandoTensor

extension TaskHead {
    /// A task's head for a network that is trained from nothing: its features say nothing yet, so there is nothing to
    /// standardise and no closed-form solution to start from.
    init(
        randomFor data: TaskData, featureCount: Int, texts: (any FeatureSource)?,
        using generator: inout SeededGenerator
    ) {
        self.init(untrained: data, featureCount: featureCount, textFeatureCount: texts?.featureCount ?? 0)
        switch (self, data.examples(in: .train).targets) {
        case (.regression(let head), .numbers(let numbers)):
            let (mean, scale) = meanAndDeviation(numbers)
            self = .regression(RegressionHead(head.predictor, targetMean: mean, targetScale: scale))
        case (.retrieval(let head), .texts(let rows)):
            guard let texts else { stop("TaskHead: retrieval starts from text features") }
            let text = Self.textProjection(data.plan.head, texts, rows: rows, using: &generator)
            let image = head.image.startingFrom(
                linear: Linear(featureCount, head.image.outputCount, using: &generator))
            self = .retrieval(RetrievalHead(image: image, text: text))
        default: break
        }
    }
}
