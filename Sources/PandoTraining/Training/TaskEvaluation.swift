import PandoBranches
import PandoTensor

extension TaskHead {
    /// How good the head is on labelled examples.
    ///
    /// - Parameters:
    ///   - features: the images' features.
    ///   - texts: the texts' features; only a retrieval head reads them.
    public func metrics(
        on examples: TaskExamples, features: any FeatureSource, texts: (any FeatureSource)? = nil
    ) -> TaskMetrics {
        switch (self, examples.targets) {
        case (.classification, .classes(let classes)):
            return .classification(
                ClassificationMetrics(outputs: outputs(for: examples.rows, of: features).table, targets: classes))
        case (.tagging, .labels(let labels, _)):
            return .multilabel(
                MultilabelMetrics(outputs: outputs(for: examples.rows, of: features).table, targets: labels))
        case (.regression, .numbers(let numbers)):
            return .regression(
                RegressionMetrics(
                    outputs: outputs(for: examples.rows, of: features).scalars(), targets: numbers.map(Double.init)))
        case (.retrieval(let head), .texts(let textRows)):
            guard let texts else { stop("TaskHead: retrieval is measured with text features") }
            let images = outputs(for: examples.rows, of: features)
            let places = inBlocks(of: textRows) { head.embed(texts: texts.rows($0)) }
            return .retrieval(
                RetrievalMetrics(
                    textRanks: ranks(of: places, among: images), imageRanks: ranks(of: images, among: places)))
        default:
            stop("TaskHead: the examples are of another kind than the head")
        }
    }

    /// The outputs for some rows, a block of rows at a time.
    func outputs(for rows: [Int], of features: any FeatureSource) -> Tensor {
        inBlocks(of: rows) { self(features.rows($0)) }
    }
}

private func inBlocks(of rows: [Int], _ compute: ([Int]) -> Tensor) -> Tensor {
    .concatenated(rows.indices.blocks(of: 512).map { compute(Array(rows[$0])) })
}

/// Each query's rank of the candidate of its own number, a block of queries at a time.
private func ranks(of queries: Tensor, among candidates: Tensor) -> [Int] {
    (0..<queries.shape[0]).blocks(of: 512).flatMap { block in
        RetrievalMetrics.ranks(
            in: matmul(queries.slice(block), candidates.transposed).table, firstQuery: block.lowerBound)
    }
}

extension Tensor {
    /// A `[N, K]` tensor as rows of scores.
    fileprivate var table: ScoreTable { ScoreTable(scalars(), columnCount: shape[1]) }
}
