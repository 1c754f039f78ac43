import Foundation
import PandoBranches

/// What trying adapters on the user's own data has shown, and which one that speaks for.
public struct Advice: Sendable {
    /// What the trials were made with, the same for all.
    public struct Trial: Sendable, Encodable {
        /// The data set has so many examples that the tasks can learn from; each trial saw `trainingExamples` of them.
        public let availableExamples: Int
        /// Of each task, at most.
        public let trainingExamples: Int
        public let validationExamples: Int
        /// At most.
        public let epochs: Int
    }

    /// An adapter that was not tried to its end, and why.
    public struct Refusal: Sendable, Encodable {
        public let kind: String
        public let reason: String
    }

    public let backbone: String
    /// Without the classifier that it was pretrained with.
    public let backboneParameters: Int
    public let tasks: [String]
    public let brief: Trial
    public let bounds: AdviceBounds
    /// In the catalogue's order.
    public let trials: [TriedAdapter]
    public let refusals: [Refusal]
    public let seconds: Double

    /// Whether a trial stays within the bounds.
    public func meetsBounds(_ trial: TriedAdapter) -> Bool {
        bounds.strain(of: trial, backboneParameters: backboneParameters) <= 1
    }

    /// Whether no other trial is at least as good in score, memory and parameters, and better in one of them.
    ///
    /// Trials that are alike in all three are all on the front.
    public func isOnFront(_ trial: TriedAdapter) -> Bool {
        let own = trial.coordinates
        return !trials.contains { other in
            let theirs = other.coordinates
            return theirs != own && zip(theirs, own).allSatisfy { $0 >= $1 }
        }
    }

    /// What the validation examples cannot tell from the best score: one standard error, as if the score were a share of
    /// right answers.
    /// - Source: the one-standard-error rule of Breiman et al. 1984, Classification and Regression Trees, section 3.4.3.
    public var margin: Double {
        guard let best = best else { return 0 }
        let share = min(max(best.score, 0), 1)
        return (share * (1 - share) / Double(max(brief.validationExamples, 1))).squareRoot()
    }

    /// The best score within the bounds; of equals the first.
    public var best: TriedAdapter? {
        trials.filter(meetsBounds).reduce(nil) { best, trial in
            guard let best, best.score >= trial.score else { return trial }
            return best
        }
    }

    /// Of those within the bounds whose scores cannot be told from the best one, that which trains in the least memory;
    /// `nil` if nothing meets the bounds.
    public var recommended: TriedAdapter? {
        guard let best else { return nil }
        return trials.filter { meetsBounds($0) && $0.score >= best.score - margin }.min {
            ($0.trainingBytes, $0.adapterParameters, -$0.score) < ($1.trainingBytes, $1.adapterParameters, -$1.score)
        }
    }

    /// The trial that goes least beyond the bounds.
    public var nearest: TriedAdapter? {
        func strain(_ trial: TriedAdapter) -> Double { bounds.strain(of: trial, backboneParameters: backboneParameters) }
        return trials.min { strain($0) < strain($1) }
    }
}

/// One adapter, tried.
public struct TriedAdapter: Sendable {
    public let choice: AdapterChoice
    /// By task.
    public let metrics: [String: TaskMetrics]
    /// The mean over the tasks of each one's number.
    public let score: Double
    /// Of one task.
    public let adapterParameters: Int
    /// Of the adapters and heads of all tasks, as a bundle stores them.
    public let storedBytes: Int
    /// What tensors held at most while the tasks were trained, above what was there before.
    public let trainingBytes: Int
    /// What the process would hold at most with all of the plan's data.
    public let processBytes: Int
    /// Starting, training and validating all tasks.
    public let seconds: Double

    public var kind: String { choice.kind }

    /// The larger the better.
    fileprivate var coordinates: [Double] { [score, -Double(trainingBytes), -Double(adapterParameters)] }
}

extension TaskMetrics {
    /// The first number of which more is better, and 1 the most: accuracy, mean average precision, r², recall.
    public var goodness: Score { scores.first(where: \.largerIsBetter) ?? primary }
}

extension Advice: Encodable {
    private struct Row: Encodable {
        let kind: String
        let score: Double
        let tasks: [String: TaskMetrics]
        let adapterParameters: Int
        let shareOfBackbone: Double
        let storedBytes, trainingBytes, processBytes: Int
        let seconds: Double
        let isOnFront, meetsBounds: Bool
    }

    private enum CodingKeys: String, CodingKey {
        case backbone, backboneParameters, tasks, brief, bounds, trials, refusals, seconds, recommended, nearest
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(backbone, forKey: .backbone)
        try fields.encode(backboneParameters, forKey: .backboneParameters)
        try fields.encode(tasks, forKey: .tasks)
        try fields.encode(brief, forKey: .brief)
        try fields.encode(bounds, forKey: .bounds)
        let rows = trials.map { trial in
            Row(
                kind: trial.kind, score: trial.score, tasks: trial.metrics, adapterParameters: trial.adapterParameters,
                shareOfBackbone: share(trial), storedBytes: trial.storedBytes, trainingBytes: trial.trainingBytes,
                processBytes: trial.processBytes, seconds: trial.seconds, isOnFront: isOnFront(trial),
                meetsBounds: meetsBounds(trial))
        }
        try fields.encode(rows, forKey: .trials)
        try fields.encode(refusals, forKey: .refusals)
        try fields.encode(seconds, forKey: .seconds)
        try fields.encode(recommended?.kind, forKey: .recommended)
        try fields.encode(recommended == nil ? nearest?.kind : nil, forKey: .nearest)
    }

    /// The adapter's parameters as a share of the backbone's.
    public func share(_ trial: TriedAdapter) -> Double {
        Double(trial.adapterParameters) / Double(max(backboneParameters, 1))
    }
}
