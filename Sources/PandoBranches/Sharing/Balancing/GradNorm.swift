import Glibc
import PandoTensor

/// Learns weights that make the gradients' norms alike, longer for tasks that learn slowly: `K · softmax(s)`.
///
/// From the second epoch on, `s` follows the gradient of `Σ |Gᵢ - Ḡ rᵢ^alpha|`, with weighted norms `Gᵢ`, their mean `Ḡ` and
/// a task's loss `rᵢ` as a share of its mean loss in the first epoch, over the mean of these shares. In the first epoch all
/// weigh 1.
/// - Source: Chen et al. 2018, GradNorm (arXiv:1711.02257), equation 2. Ours keeps the weights positive and of one sum by a
///   softmax, measures the first losses over an epoch, and divides the derivatives by `Ḡ`, so that a step is the same
///   whatever the gradients' unit.
public struct GradNorm: Balancing {
    public let alpha: Double
    /// Of a step of `s`.
    public let rate: Double
    private var logits: [Float]
    /// Mean losses of the first epoch, and of how many steps, by task.
    private var first, counts: [Float]

    public init(taskCount: Int, alpha: Double = 1.5, rate: Double = 0.025) {
        (self.alpha, self.rate) = (alpha, rate)
        let zeros = [Float](repeating: 0, count: taskCount)
        (logits, first, counts) = (zeros, zeros, zeros)
    }

    public var readsGradients: Bool { true }
    public var weighsLosses: Bool { false }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        if step.epoch == 0 {
            for (task, loss) in zip(step.tasks, step.losses) where loss.isFinite {
                counts[task] += 1
                first[task] += (loss - first[task]) / counts[task]
            }
            return step.weights { _ in 1 }
        }
        return step.weights { gramian, losses, places in balanced(gramian, losses, places.map { step.tasks[$0] }) }
    }

    /// The weights, after which `s` steps on.
    private mutating func balanced(_ gramian: Gramian, _ losses: [Double], _ tasks: [Int]) -> [Double] {
        let all = softmax(logits.map(Double.init)).map { $0 * Double(logits.count) }
        let weights = tasks.map { all[$0] }
        let (norms, count) = (gramian.norms, Double(tasks.count))
        let weighted = zip(weights, norms).map { $0 * $1 }
        let mean = weighted.reduce(0, +) / count
        let shares = zip(tasks, losses).map { first[$0] > 0 ? $1 / Double(first[$0]) : 1 }
        let meanShare = shares.reduce(0, +) / count
        // Derivatives by the weights, times the weights: what the softmax makes of them is linear in it.
        let pulls = tasks.indices.map { place -> Double in
            let excess = weighted[place] - mean * pow(max(0, shares[place] / meanShare), alpha)
            return (excess > 0 ? 1 : excess < 0 ? -1 : 0) * weighted[place] / mean
        }
        guard pulls.allSatisfy(\.isFinite) else { return weights }
        let sum = pulls.reduce(0, +)
        for task in logits.indices { logits[task] += Float(rate * sum * all[task] / Double(logits.count)) }
        for (task, pull) in zip(tasks, pulls) { logits[task] -= Float(rate * pull) }
        return weights
    }

    public var state: [String: Tensor] {
        get { ["logits": Tensor(logits), "first": Tensor(first), "counts": Tensor(counts)] }
        set {
            logits = newValue.numbers("logits", count: logits.count)
            first = newValue.numbers("first", count: logits.count)
            counts = newValue.numbers("counts", count: logits.count)
        }
    }
}

/// How strongly slow tasks are helped, and how fast the weights are learned.
public struct GradNormConfiguration: BalancingConfiguration {
    public static let kind = "gradnorm"
    public static let summary = "learned weights that make gradients alike in length, longer for tasks that learn slowly"
    public static let options: [PlanOption<GradNormConfiguration>] = [
        PlanOption("alpha", "how strongly tasks that learn slowly are helped", .number(0...10) { $0.alpha = $1 }),
        PlanOption("rate", "of a step of the weights", .number(0.0001...1) { $0.rate = $1 }),
    ]

    public var alpha = 1.5
    public var rate = 0.025

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        GradNorm(taskCount: taskCount, alpha: alpha, rate: rate)
    }
}
