import PandoNN
import PandoTensor

/// Says which one of `K` classes an example belongs to.
///
/// - Shapes: features `[N, F]` → logits `[N, K]`; targets `N` class numbers.
public struct ClassificationHead: Head {
    public var predictor: Predictor
    /// How much each class counts in the loss, `[K]`; `nil` if all alike.
    public let classWeights: Tensor?
    /// The share of the target that is spread evenly over all classes.
    public let labelSmoothing: Float

    public var featureCount: Int { predictor.featureCount }

    public init(_ predictor: Predictor, classWeights: Tensor? = nil, labelSmoothing: Float = 0) {
        require(
            classWeights.map { $0.shape == [predictor.outputCount] } ?? true,
            "ClassificationHead: weights \(classWeights?.shape ?? []) for \(predictor.outputCount) classes")
        require((0..<1).contains(labelSmoothing), "ClassificationHead: label smoothing \(labelSmoothing)")
        self.predictor = predictor
        self.classWeights = classWeights
        self.labelSmoothing = labelSmoothing
    }

    public func callAsFunction(_ features: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        predictor(features, using: &generator)
    }

    public func loss(_ outputs: Tensor, _ targets: [Int], using generator: inout SeededGenerator?) -> Tensor {
        crossEntropy(outputs, targets, classWeights: classWeights, labelSmoothing: labelSmoothing)
    }

    /// For each row, the `limit` most probable classes with their probabilities, the most probable first.
    public func decode(_ outputs: Tensor, limit: Int) -> [[(label: Int, score: Float)]] {
        ranked(outputs.softmax(), limit: limit)
    }

    public mutating func visit(_ visitor: inout some Visitor) { predictor.visit(&visitor) }
}

/// For each row of `[N, K]`, the `limit` largest values with their columns, the largest first, the first of equals
/// first.
func ranked(_ scores: Tensor, limit: Int) -> [[(label: Int, score: Float)]] {
    let columns = scores.shape[1]
    return scores.withScalars { values in
        (0..<scores.shape[0]).map { row in
            let row = values[row * columns..<(row + 1) * columns]
            let order = row.indices.sorted { (-row[$0], $0) < (-row[$1], $1) }
            return order.prefix(limit).map { (label: $0 - row.startIndex, score: row[$0]) }
        }
    }
}
