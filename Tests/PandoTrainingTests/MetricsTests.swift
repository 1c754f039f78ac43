import Foundation
import Testing

@testable import PandoTraining

/// Answers of scikit-learn, from `make_metrics_golden.py`.
private struct Golden: Decodable {
    struct Classification: Decodable {
        var outputs: [Float], targets: [Int], classes: Int
        var accuracy, top5, macro_f1, log_loss: Double
        var precision, recall, f1: [Double]
        var support: [Int]
    }
    struct Multilabel: Decodable {
        var outputs: [Float], labels: Int, targets: [[Int]], average_precisions: [Double?], map: Double
        var micro_f1: Double
    }
    struct Regression: Decodable { var outputs: [Float], targets: [Double], mae, rmse, r2: Double }
    var classification: Classification, multilabel: Multilabel, regression: Regression

    static func read() throws -> Golden {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/metrics.json")
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    }
}

private func expectClose(_ a: Double, _ b: Double, within tolerance: Double = 1e-9, location: SourceLocation = #_sourceLocation) {
    #expect(abs(a - b) <= tolerance, "\(a) is not \(b)", sourceLocation: location)
}

@Suite struct MetricsTests {
    @Test func `classification agrees with scikit-learn`() throws {
        let golden = try Golden.read().classification
        let metrics = ClassificationMetrics(
            outputs: ScoreTable(golden.outputs, columnCount: golden.classes), targets: golden.targets)
        expectClose(metrics.accuracy, golden.accuracy)
        expectClose(metrics.top5Accuracy, golden.top5)
        expectClose(metrics.macroF1, golden.macro_f1)
        expectClose(metrics.logLoss, golden.log_loss, within: 1e-6)
        for (index, found) in metrics.classes.enumerated() {
            expectClose(found.precision, golden.precision[index])
            expectClose(found.recall, golden.recall[index])
            expectClose(found.f1, golden.f1[index])
            #expect(found.support == golden.support[index])
        }
    }

    @Test func `multi-label average precision agrees with scikit-learn, ties and empty labels too`() throws {
        let golden = try Golden.read().multilabel
        let metrics = MultilabelMetrics(
            outputs: ScoreTable(golden.outputs, columnCount: golden.labels), targets: golden.targets)
        expectClose(metrics.meanAveragePrecision, golden.map)
        expectClose(metrics.microF1, golden.micro_f1)
        #expect(metrics.averagePrecisions.map { $0 == nil } == golden.average_precisions.map { $0 == nil })
        for (found, expected) in zip(metrics.averagePrecisions, golden.average_precisions) {
            if let found, let expected { expectClose(found, expected) }
        }
    }

    @Test func `regression agrees with scikit-learn`() throws {
        let golden = try Golden.read().regression
        let metrics = RegressionMetrics(outputs: golden.outputs, targets: golden.targets)
        expectClose(metrics.meanAbsoluteError, golden.mae)
        expectClose(metrics.rootMeanSquaredError, golden.rmse)
        expectClose(metrics.rSquared, golden.r2)
    }

    @Test func `ranks count what is ahead, and equal similarities as ahead`() {
        let table = ScoreTable([0.9, 0.1, 0.5, 0.2, 0.7, 0.7, 0.3, 0.8, 0.1], columnCount: 3)
        #expect(RetrievalMetrics.ranks(in: table, firstQuery: 0) == [1, 2, 3])
        let second = ScoreTable([0.2, 0.7, 0.7], columnCount: 3)
        #expect(RetrievalMetrics.ranks(in: second, firstQuery: 1) == [2])
        let notANumber = ScoreTable([.nan, 0.7, 0.7], columnCount: 3)
        #expect(RetrievalMetrics.ranks(in: notANumber, firstQuery: 0) == [3])
    }

    @Test func `recalls and the median rank follow from the ranks`() {
        let metrics = RetrievalMetrics(textRanks: [1, 4, 7, 11], imageRanks: [1, 1, 2, 30])
        #expect(metrics.textToImage.recallAt1 == 0.25)
        #expect(metrics.textToImage.recallAt5 == 0.5)
        #expect(metrics.textToImage.recallAt10 == 0.75)
        #expect(metrics.textToImage.medianRank == 5.5)
        #expect(metrics.imageToText.medianRank == 1.5)
        #expect(metrics.imageToText.recallAt1 == 0.5)
    }

    @Test func `scores encode as one flat object under their task`() throws {
        let report = EvaluationReport(tasks: [
            "category": .classification(
                ClassificationMetrics(outputs: ScoreTable([2, 1, 0, 3], columnCount: 2), targets: [0, 0])),
            "title": .retrieval(RetrievalMetrics(textRanks: [1, 3], imageRanks: [2, 2])),
        ])
        let data = try JSONEncoder().encode(report)
        let object = try #require(JSONSerialization.jsonObject(with: data) as? [String: [String: [String: Any]]])
        #expect(object["tasks"]?["category"]?["accuracy"] as? Double == 0.5)
        #expect(object["tasks"]?["category"]?["macro_f1"] as? Double != nil)
        #expect(object["tasks"]?["category"]?["examples"] as? Int == 2)
        #expect(object["tasks"]?["title"]?["recall@1"] as? Double == 0.5)
        #expect(object["tasks"]?["title"]?["recall@10"] as? Double == 1)
        #expect(object["tasks"]?["title"]?["median_rank"] as? Double == 2)
    }

    @Test func `a smaller error is the better one`() {
        #expect(Score("mae", 1, largerIsBetter: false).isBetter(than: Score("mae", 2, largerIsBetter: false)))
        #expect(!Score("accuracy", 1).isBetter(than: Score("accuracy", 1)))
    }
}
