import PandoTensor

/// Follows the step on which the tasks agree in Nash's bargaining: `G · weights = 1 / weights` for the gradients' inner
/// products `G`, divided by their norm.
///
/// - Source: Navon et al. 2022, Multi-Task Learning as a Bargaining Game (arXiv:2202.01017), claim 3.1. The weights are the
///   lowest point of `½ weightsᵀ G weights - Σ log(weights)`, which is convex: ours finds it by Newton's method, where the
///   authors solve a sequence of convex programs. A step's length is left to the trainer; they cut it to 1.
public struct NashMTL: Balancing {
    /// Steps from one bargaining to the next; the weights stay in between.
    public let interval: Int
    private var step = 0
    private var agreed: [Float]

    /// - Precondition: `interval` is positive.
    public init(taskCount: Int, interval: Int = 1) {
        require(interval > 0, "NashMTL: an interval of \(interval) steps")
        self.interval = interval
        agreed = [Float](repeating: 1, count: taskCount)
    }

    public var readsGradients: Bool { step % interval == 0 }
    public var weighsLosses: Bool { true }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        defer { self.step += 1 }
        guard readsGradients else { return step.weights { agreed[step.tasks[$0]] } }
        let weights = step.weights { gramian, _, _ in
            let norm = gramian.values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return Gramian(gramian.values.map { $0 / norm }, count: gramian.count).bargain()
        }
        for (task, weight) in zip(step.tasks, weights) where weight > 0 { agreed[task] = weight }
        return weights
    }

    public var state: [String: Tensor] {
        get { ["step": Tensor([Int64(step)]), "agreed": Tensor(agreed)] }
        set {
            agreed = newValue.numbers("agreed", count: agreed.count)
            guard let kept = newValue["step"] else { stop("Balancing: the state has no 'step'") }
            step = Int(kept.scalar(as: Int64.self))
        }
    }
}

/// How often the tasks bargain.
public struct NashConfiguration: BalancingConfiguration {
    public static let kind = "nash"
    public static let summary = "the step that all tasks agree on in bargaining"
    public static let options: [PlanOption<NashConfiguration>] = [
        PlanOption("interval", "steps from one bargaining to the next", .integer(1...100_000) { $0.interval = $1 })
    ]

    public var interval = 1

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        NashMTL(taskCount: taskCount, interval: interval)
    }
}
