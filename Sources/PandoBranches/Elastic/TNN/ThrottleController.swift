import Glibc
import PandoNN
import PandoTensor

/// Chooses for each example the level at which a throttled network is run, from what is known before it runs.
///
/// A contextual bandit: it tries levels, sees whether the network was right at them, and learns where little suffices. Cheap
/// and right is rewarded most; wrong, sure and dear is punished most.
/// - Shapes: situations `[N, D]` → for each the probabilities of the levels, `[N, L]`.
/// - Source: Liu et al. 2020 (arXiv:2011.02836), phase 2, as its authors' code has it: `softmax(sigmoid(z))`, and the chosen
///   level's probability, not its logarithm, times its reward. Ours reads a vector instead of the clip, explores all levels
///   alike, and scales rewards by what they can be at most instead of by the batch's own: among right answers of one batch
///   a centred reward makes the dear ones bad, and one over the batch's largest makes all alike when all cost the same.
public struct ThrottleController: Module {
    public var hidden, output: Linear

    public init(situationFeatures: Int, levels: Int, hidden: Int = 64, using generator: inout SeededGenerator) {
        self.hidden = Linear(situationFeatures, hidden, using: &generator)
        output = Linear(hidden, levels, using: &generator)
    }

    public func callAsFunction(_ situations: Tensor) -> Tensor {
        output(hidden(situations).applying(.relu)).applying(.sigmoid).softmax()
    }

    /// The most probable level of each situation.
    public func levels(for situations: Tensor) -> [Int] {
        let (probabilities, count) = (self(situations).scalars(), output.outFeatures)
        return stride(from: 0, to: probabilities.count, by: count).map { start in
            (0..<count).max { probabilities[start + $0] < probabilities[start + $1] } ?? 0
        }
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("hidden", &hidden)
        visitor.module("output", &output)
    }
}

extension ThrottleController {
    /// What became of an example at a level.
    public struct Outcome: Sendable {
        public let isCorrect: Bool
        /// Probability of what the network said.
        public let confidence: Double
        /// What the level takes of the full cost.
        public let share: Double

        public init(isCorrect: Bool, confidence: Double, share: Double) {
            (self.isCorrect, self.confidence, self.share) = (isCorrect, confidence, share)
        }
    }

    /// The rewards of a batch of decisions.
    ///
    /// What a decision earns: if it was right `exp(1 - f) (2 - f)² / 4e`, else `-(p + 0.5) (f + 1.5) / 3.75`, with `f` the
    /// share of the cost and `p` the confidence; between -1 and 1.
    public static func reward(_ outcome: Outcome) -> Double {
        let saved = 2 - outcome.share
        return outcome.isCorrect
            ? exp(-outcome.share) * saved * saved / 4 : -(outcome.confidence + 0.5) * (outcome.share + 1.5) / 3.75
    }

    /// How often an episode tries a level at random.
    public static func explorationRate(inEpisode episode: Int) -> Double {
        exp(-0.1 * (Double(episode) / 0.2 + 0.5))
    }

    /// Learns from what became of examples at each level.
    ///
    /// - Parameters:
    ///   - outcomes: of each situation, by level; of these it sees in each episode only that of the level it tries.
    ///   - episodes: passes over all situations.
    /// - Precondition: an outcome for each situation and level.
    public mutating func train(
        on situations: Tensor, outcomes: [[Outcome]], episodes: Int = 10, batchSize: Int = 64, learningRate: Float = 1e-3,
        using generator: inout SeededGenerator
    ) {
        let levelCount = output.outFeatures
        require(
            outcomes.count == situations.shape[0] && outcomes.allSatisfy { $0.count == levelCount },
            "ThrottleController: \(situations.shape[0]) situations need as many rows of \(levelCount) outcomes")
        var optimizer = AdamW(learningRate: learningRate)
        for episode in 0..<episodes {
            let order = outcomes.indices.shuffled(using: &generator)
            for start in stride(from: 0, to: order.count, by: batchSize) {
                let batch = Array(order[start..<min(start + batchSize, order.count)])
                let rows = situations.gathered(at: Tensor(batch.map(Int64.init)))
                let isTrial = Double.random(in: 0..<1, using: &generator) < Self.explorationRate(inEpisode: episode)
                let levels = isTrial
                    ? batch.map { _ in Int.random(in: 0..<levelCount, using: &generator) } : levels(for: rows)
                let rewards = zip(batch, levels).map { Float(Self.reward(outcomes[$0][$1])) }
                let (_, gradients) = valueAndGradients(of: self) { controller in
                    (controller(rows).picked(at: levels) * Tensor(rewards)).mean() * -1
                }
                optimizer.update(&self, along: gradients)
            }
        }
    }
}
