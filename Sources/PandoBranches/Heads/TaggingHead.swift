import PandoNN
import PandoTensor

/// Says which of `K` labels an example has: any number of them.
///
/// - Shapes: features `[N, F]` → logits `[N, K]`; targets `[N, K]` of 0 and 1.
public struct TaggingHead: Head {
    public var predictor: Predictor
    /// How many times a positive counts, per label `[K]`; `nil` if once.
    public let positiveWeights: Tensor?
    /// The exponent with which easy labels are turned away from; 0 is plain binary cross entropy.
    public let focalGamma: Float

    public var featureCount: Int { predictor.featureCount }

    public init(_ predictor: Predictor, positiveWeights: Tensor? = nil, focalGamma: Float = 0) {
        require(
            positiveWeights.map { $0.shape == [predictor.outputCount] } ?? true,
            "TaggingHead: weights \(positiveWeights?.shape ?? []) for \(predictor.outputCount) labels")
        require(focalGamma >= 0, "TaggingHead: focal gamma \(focalGamma) is negative")
        require(positiveWeights == nil || focalGamma == 0, "TaggingHead: the focal loss takes no positive weights")
        self.predictor = predictor
        self.positiveWeights = positiveWeights
        self.focalGamma = focalGamma
    }

    public func callAsFunction(_ features: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        predictor(features, using: &generator)
    }

    /// Summed over the labels and averaged over the examples, so that the step size does not shrink with more labels.
    public func loss(_ outputs: Tensor, _ targets: Tensor, using generator: inout SeededGenerator?) -> Tensor {
        let mean =
            focalGamma > 0
            ? focalLoss(outputs, targets, alpha: -1, gamma: focalGamma)
            : binaryCrossEntropy(outputs, targets, positiveWeights: positiveWeights)
        return mean * Float(predictor.outputCount)
    }

    /// For each row, the `limit` most probable labels with their probabilities, the most probable first.
    public func decode(_ outputs: Tensor, limit: Int) -> [[(label: Int, score: Float)]] {
        ranked(outputs.sigmoid(), limit: limit)
    }

    public mutating func visit(_ visitor: inout some Visitor) { predictor.visit(&visitor) }
}
