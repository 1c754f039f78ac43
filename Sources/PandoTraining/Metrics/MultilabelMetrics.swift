import PandoTensor

/// How well each of several labels is ranked and decided.
public struct MultilabelMetrics: Sendable, Hashable {
    /// Mean average precision over the labels that occur in the targets.
    public let meanAveragePrecision: Double
    /// F1 of all decisions counted together, a label being given when its score is above 0 (probability ½).
    public let microF1: Double
    /// Each label's average precision, in the order of the label map; `nil` for a label that occurs nowhere.
    public let averagePrecisions: [Double?]
    /// Examples with each label.
    public let support: [Int]
    public let exampleCount: Int

    /// - Parameters:
    ///   - outputs: logits; one row an example, one column a label.
    ///   - targets: each example's labels, as indices.
    public init(outputs: ScoreTable, targets: [[Int]]) {
        require(
            outputs.rowCount == targets.count,
            "MultilabelMetrics: \(outputs.rowCount) rows of outputs for \(targets.count) targets")
        let labelCount = outputs.columnCount
        var present = [[Bool]](repeating: [Bool](repeating: false, count: targets.count), count: labelCount)
        for (row, labels) in targets.enumerated() {
            for label in labels {
                require((0..<labelCount).contains(label), "MultilabelMetrics: label \(label) of \(labelCount)")
                present[label][row] = true
            }
        }
        var (hits, given, wanted) = (0, 0, 0)
        averagePrecisions = (0..<labelCount).map { label in
            let scores = (0..<targets.count).map { outputs[$0, label] }
            for (score, isPresent) in zip(scores, present[label]) {
                if score > 0 { given += 1 }
                if isPresent { wanted += 1 }
                if score > 0, isPresent { hits += 1 }
            }
            return averagePrecision(scores: scores, isPositive: present[label])
        }
        support = present.map { $0.count(where: \.self) }
        let occurring = averagePrecisions.compactMap(\.self)
        meanAveragePrecision = occurring.isEmpty ? 0 : occurring.reduce(0, +) / Double(occurring.count)
        microF1 = ratio(2 * hits, given + wanted)
        exampleCount = targets.count
    }

    var scores: [Score] { [Score("map", meanAveragePrecision), Score("micro_f1", microF1)] }
}

/// The area under the precision-recall curve as a step function: `Σ (Rₙ − Rₙ₋₁) Pₙ` over the distinct scores,
/// largest first; `nil` without a positive.
///
/// As scikit-learn's `average_precision_score`: equal scores are one step, whatever their order.
func averagePrecision(scores: [Float], isPositive: [Bool]) -> Double? {
    let positiveCount = isPositive.count(where: \.self)
    guard positiveCount > 0 else { return nil }
    let order = scores.indices.sorted { scores[$0] > scores[$1] }
    var (found, area, next) = (0, 0.0, 0)
    while next < order.count {
        let threshold = scores[order[next]]
        let before = found
        repeat {
            if isPositive[order[next]] { found += 1 }
            next += 1
        } while next < order.count && scores[order[next]] == threshold
        area += Double(found - before) / Double(positiveCount) * Double(found) / Double(next)
    }
    return area
}
