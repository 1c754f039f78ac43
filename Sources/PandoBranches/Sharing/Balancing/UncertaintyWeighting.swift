import Glibc
import PandoTensor

/// Weighs each loss by the noise that is learned of it: `exp(-s) / 2`, where `s` is the logarithm of a variance.
///
/// `s` follows the gradient of `Σ loss · exp(-s) / 2 + s / 2`, whose lowest point is `s = log(loss)`.
/// - Source: Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh Losses (arXiv:1705.07115),
///   equation 7. Ours steps by itself, not with the network's optimizer, and its derivatives are cut off at 1, so that one
///   large loss does not throw `s` far away.
public struct UncertaintyWeighting: Balancing {
    /// Of a step of the logarithms.
    public let rate: Float
    /// Logarithms of the variances, by task.
    public private(set) var logVariances: [Float]

    public init(taskCount: Int, rate: Float = 0.01) {
        self.rate = rate
        logVariances = [Float](repeating: -0.5, count: taskCount)
    }

    public var readsGradients: Bool { false }
    public var weighsLosses: Bool { true }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        step.weights { place in
            let task = step.tasks[place]
            let weight = expf(-logVariances[task]) / 2
            let derivative = 0.5 - step.losses[place] * weight
            logVariances[task] -= rate * min(max(derivative, -1), 1)
            return weight
        }
    }

    public var state: [String: Tensor] {
        get { ["logVariances": Tensor(logVariances)] }
        set { logVariances = newValue.numbers("logVariances", count: logVariances.count) }
    }
}

/// How fast the variances are learned.
public struct UncertaintyConfiguration: BalancingConfiguration {
    public static let kind = "uncertainty"
    public static let summary = "losses weighed by the noise that is learned of each"
    public static let options: [PlanOption<UncertaintyConfiguration>] = [
        PlanOption("rate", "of a step of the variances' logarithms", .number(0.0001...1) { $0.rate = $1 })
    ]

    public var rate = 0.01

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        UncertaintyWeighting(taskCount: taskCount, rate: Float(rate))
    }
}
