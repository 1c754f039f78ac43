import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

/// One task, ready to be trained on a frozen backbone.
public struct BranchTask: Sendable {
    public let data: TaskData
    /// As it begins: fresh.
    public let adapter: any Adapter
    /// What the adapter asks for; row `i` belongs to example `i` of the data set.
    public let features: any FeatureReader
    /// Row `i` belongs to `TaskData.texts[i]`; `nil` but for retrieval.
    public let texts: (any FeatureSource)?

    public init(
        _ data: TaskData, adapter: any Adapter, features: any FeatureReader, texts: (any FeatureSource)? = nil
    ) {
        for examples in data.examples.values {
            require(
                examples.rows.allSatisfy { (0..<features.rowCount).contains($0) },
                "BranchTask: \(data.name) has rows outside the \(features.rowCount) rows of the features")
        }
        require(
            data.plan.kind != .retrieval || texts?.rowCount == data.texts.count,
            "BranchTask: \(data.name) has \(data.texts.count) texts and \(texts?.rowCount ?? 0) rows of text features")
        (self.data, self.adapter, self.features, self.texts) = (data, adapter, features, texts)
    }

    /// Some rows that it trains on, enough for statistics.
    var sample: [Int] {
        let rows = data.examples(in: .train).rows
        let stride = max(1, rows.count / 1_024)
        return Swift.stride(from: 0, to: rows.count, by: stride).map { rows[$0] }
    }

    /// A task whose head reads vectors as they are.
    public init(_ data: TaskData, vectors: any FeatureSource, texts: (any FeatureSource)? = nil) {
        self.init(data, adapter: Probe(featureCount: vectors.featureCount), features: vectors, texts: texts)
    }
}

extension Branch {
    /// The branch before training.
    ///
    /// The head starts from the closed-form solution on the vectors that the fresh adapter makes, where those are the
    /// pretrained backbone's: without an adapter, or with one inside of the backbone. Vectors of fresh weights say
    /// nothing yet; they are only standardised, by a sample.
    init(startingFor task: BranchTask, precision: ElementType, workers: Int, using generator: inout SeededGenerator) {
        let adapter = task.adapter.keepingFrozenWeights(as: precision)
        let vectors = AdaptedFeatures(adapter: adapter, reader: task.features, precision: precision, workers: workers)
        let head: TaskHead
        if adapter is Probe {
            head = TaskHead(startingFor: task.data, features: vectors, texts: task.texts, using: &generator)
        } else if adapter.gradientEntry != nil {
            let rows = [Split.train, .validation].flatMap { task.data.examples(in: $0).rows }
            // They are looked at many times, and each time would be a pass through the backbone.
            let kept = RowFeatures(rows: rows, vectors: vectors.rows(rows), rowCount: vectors.rowCount)
            head = TaskHead(startingFor: task.data, features: kept, texts: task.texts, using: &generator)
        } else {
            head = TaskHead(
                randomFor: task.data, standardization: Standardization(of: vectors.rows(task.sample)),
                texts: task.texts, using: &generator)
        }
        self.init(adapter: adapter, head: head)
    }

    /// The branch with weights of the right shapes, to be loaded.
    init(untrainedFor task: BranchTask, precision: ElementType) {
        self.init(
            adapter: task.adapter.keepingFrozenWeights(as: precision),
            head: TaskHead(
                untrained: task.data, featureCount: task.adapter.featureCount,
                textFeatureCount: task.texts?.featureCount ?? 0))
    }

    /// The branch with the frozen weights that its adapter runs kept as `type`, as they are while it is trained.
    func keepingFrozenWeights(as type: ElementType) -> Branch {
        Branch(adapter: adapter.keepingFrozenWeights(as: type), head: head)
    }

    /// How good the branch is on labelled examples.
    package func metrics(on examples: TaskExamples, of task: BranchTask, precision: ElementType, workers: Int) -> TaskMetrics {
        let vectors = AdaptedFeatures(adapter: adapter, reader: task.features, precision: precision, workers: workers)
        return head.metrics(on: examples, features: vectors, texts: task.texts)
    }
}
