import Foundation
import PandoTensor

/// How often the right class of several was found, and how sure of it the scores were.
///
/// As scikit-learn's `accuracy_score`, `log_loss`, `f1_score(average="macro")`, `precision_recall_fscore_support` and
/// `top_k_accuracy_score`, with 0 for a ratio without a denominator.
public struct ClassificationMetrics: Sendable, Hashable {
    /// One class's numbers.
    public struct ClassScores: Sendable, Hashable, Codable {
        /// Of the examples said to be of the class, the share that are.
        public var precision: Double
        /// Of the examples of the class, the share found.
        public var recall: Double
        /// The harmonic mean of both.
        public var f1: Double
        /// Examples of the class.
        public var support: Int
    }

    public let accuracy: Double
    /// Share of examples whose class is among the five with the largest scores.
    public let top5Accuracy: Double
    /// The mean of `-log p`, `p` being the probability (softmax of the scores) given to the right class.
    public let logLoss: Double
    /// Mean F1 of the classes that occur as target or prediction.
    public let macroF1: Double
    /// In the order of the label map.
    public let classes: [ClassScores]
    public let exampleCount: Int

    /// - Parameters:
    ///   - outputs: one row an example, one column a class.
    ///   - targets: each example's class.
    public init(outputs: ScoreTable, targets: [Int]) {
        require(
            outputs.rowCount == targets.count,
            "ClassificationMetrics: \(outputs.rowCount) rows of outputs for \(targets.count) targets")
        let classCount = outputs.columnCount
        var hits = [Int](repeating: 0, count: classCount)
        var predicted = hits
        var support = hits
        var amongFive = 0
        var surprise = 0.0
        for (row, target) in targets.enumerated() {
            require((0..<classCount).contains(target), "ClassificationMetrics: class \(target) of \(classCount)")
            let prediction = outputs.largest(inRow: row)
            predicted[prediction] += 1
            support[target] += 1
            if prediction == target { hits[target] += 1 }
            let own = outputs[row, target]
            var ahead = 0
            for column in 0..<classCount {
                let other = outputs[row, column]
                if other > own || (other == own && column < target) { ahead += 1 }
            }
            if ahead < 5 { amongFive += 1 }
            let largest = outputs[row, prediction]
            let sum = (0..<classCount).reduce(0.0) { $0 + exp(Double(outputs[row, $1] - largest)) }
            surprise += log(sum) - Double(own - largest)
        }
        let count = Double(max(targets.count, 1))
        accuracy = Double(hits.reduce(0, +)) / count
        top5Accuracy = Double(amongFive) / count
        logLoss = surprise / count
        let classes = (0..<classCount).map { index in
            let precision = ratio(hits[index], predicted[index])
            let recall = ratio(hits[index], support[index])
            return ClassScores(
                precision: precision, recall: recall,
                f1: ratio(2 * hits[index], predicted[index] + support[index]), support: support[index])
        }
        self.classes = classes
        let occurring = (0..<classCount).filter { predicted[$0] + support[$0] > 0 }
        macroF1 = occurring.reduce(0.0) { $0 + classes[$1].f1 } / Double(max(occurring.count, 1))
        exampleCount = targets.count
    }

    var logLossScore: Score { Score("log_loss", logLoss, largerIsBetter: false) }

    var scores: [Score] {
        [
            Score("accuracy", accuracy), Score("top5_accuracy", top5Accuracy), Score("macro_f1", macroF1), logLossScore,
        ]
    }
}

/// `part / whole`, and 0 without a whole.
func ratio(_ part: Int, _ whole: Int) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }
