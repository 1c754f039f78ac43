import PandoTensor

/// Weighs the losses by chance, anew at each step: the softmax of normal numbers.
///
/// - Source: Lin et al. 2022, Reasonable Effectiveness of Random Weighting (arXiv:2111.10603), §3.
public struct RandomWeighting: Balancing {
    private let taskCount: Int
    private var generator: SeededGenerator

    public init(taskCount: Int, using generator: SeededGenerator) {
        (self.taskCount, self.generator) = (taskCount, generator)
    }

    public var readsGradients: Bool { false }
    public var weighsLosses: Bool { true }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        // As many numbers at each step, whatever tasks are in the batch.
        let drawn = Tensor.normal([taskCount], using: &generator).scalars()
        let shares = softmax(step.tasks.map { Double(drawn[$0]) })
        return step.weights { Float(shares[$0]) }
    }

    public var state: [String: Tensor] {
        get { ["generator": Tensor(generator)] }
        set { generator = newValue.generator("generator") }
    }
}

/// Nothing to choose.
public struct RLWConfiguration: BalancingConfiguration {
    public static let kind = "rlw"
    public static let summary = "random weights, anew at each step"
    public static let options: [PlanOption<RLWConfiguration>] = []

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        RandomWeighting(taskCount: taskCount, using: generator.split("rlw"))
    }
}
