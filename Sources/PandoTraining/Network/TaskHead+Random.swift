import PandoBranches
import PandoData
import PandoNN
import PandoTensor

extension TaskHead {
    /// A task's head for features that say nothing yet, such as those of a network that is trained from nothing: there
    /// is no closed-form solution to start from.
    init(
        randomFor data: TaskData, standardization: Standardization, texts: (any FeatureSource)?,
        using generator: inout SeededGenerator
    ) {
        let featureCount = standardization.featureCount
        self.init(untrained: data, featureCount: featureCount, textFeatureCount: texts?.featureCount ?? 0)
        defer { self.standardize(by: standardization) }
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

    private mutating func standardize(by standardization: Standardization) {
        switch self {
        case .classification(var head):
            head.predictor.standardization = standardization
            self = .classification(head)
        case .tagging(var head):
            head.predictor.standardization = standardization
            self = .tagging(head)
        case .regression(var head):
            head.predictor.standardization = standardization
            self = .regression(head)
        case .retrieval(var head):
            head.image.standardization = standardization
            self = .retrieval(head)
        }
    }
}
