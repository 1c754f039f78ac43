import PandoTensor

/// Follows the shortest of all weighted means of the gradients, along which no loss rises.
///
/// - Source: Désidéri 2012; Sener and Koltun 2018, Multi-Task Learning as Multi-Objective Optimization (arXiv:1810.04650),
///   equation 3. Ours finds the shortest mean exactly, by Wolfe's algorithm.
public struct MGDA: Balancing {
    /// What the gradients are divided by before: nothing, their lengths, the losses, or both.
    public enum Normalization: String, Sendable, Codable, CaseIterable { case none, l2, loss, both = "loss+" }

    public let normalization: Normalization

    public init(normalization: Normalization = .none) { self.normalization = normalization }

    public var readsGradients: Bool { true }
    public var weighsLosses: Bool { false }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        step.weights { gramian, losses, _ in
            let divisors: [Double] =
                switch normalization {
                case .none: losses.map { _ in 1 }
                case .l2: gramian.norms
                case .loss: losses
                case .both: zip(gramian.norms, losses).map { $0 * $1 }
                }
            let factors = divisors.map { $0 > 0 ? 1 / $0 : 1 }
            return zip(gramian.scaled(by: factors).shortestMean(), factors).map { $0 * $1 }
        }
    }

    public var state: [String: Tensor] {
        get { [:] }
        set {}
    }
}

/// What the gradients are divided by.
public struct MGDAConfiguration: BalancingConfiguration {
    public static let kind = "mgda"
    public static let summary = "the shortest mean of the gradients, along which no loss rises"
    public static let options: [PlanOption<MGDAConfiguration>] = [
        PlanOption(
            "normalization", "what gradients are divided by: nothing, their length, the loss, or both (loss+)",
            .choice(MGDA.Normalization.allCases.map(\.rawValue)) { options, name in
                options.normalization = MGDA.Normalization(rawValue: name) ?? .none
            })
    ]

    public var normalization = MGDA.Normalization.none

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        MGDA(normalization: normalization)
    }
}
