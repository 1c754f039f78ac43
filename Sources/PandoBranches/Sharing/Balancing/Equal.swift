import PandoTensor

/// Every loss weighs 1.
public struct EqualBalancing: Balancing {
    public init() {}

    public var readsGradients: Bool { false }
    public var weighsLosses: Bool { true }

    public mutating func weights(for step: BalancingStep) -> [Float] { step.weights { _ in 1 } }

    public var state: [String: Tensor] {
        get { [:] }
        set {}
    }
}

/// Nothing to choose.
public struct EqualConfiguration: BalancingConfiguration {
    public static let kind = "equal"
    public static let summary = "every loss weighs 1"
    public static let options: [PlanOption<EqualConfiguration>] = []

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing { EqualBalancing() }
}
