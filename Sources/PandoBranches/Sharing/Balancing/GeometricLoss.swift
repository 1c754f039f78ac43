import Glibc
import PandoTensor

/// Follows the gradient of the losses' geometric mean: a loss weighs `mean / (K · loss)`.
///
/// Losses that are not positive have no such mean; they weigh nothing, and the mean is of the others.
/// - Source: Chennupati et al. 2019, MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy
///   (arXiv:1904.08492), equation 2.
public struct GeometricLoss: Balancing {
    public init() {}

    public var readsGradients: Bool { false }
    public var weighsLosses: Bool { true }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        let logarithms = step.losses.filter { $0.isFinite && $0 > 0 }.map { log(Double($0)) }
        let count = Double(logarithms.count)
        let mean = exp(logarithms.reduce(0, +) / count)
        return step.weights { step.losses[$0] > 0 ? Float(mean / (count * Double(step.losses[$0]))) : 0 }
    }

    public var state: [String: Tensor] {
        get { [:] }
        set {}
    }
}

/// Nothing to choose.
public struct GLSConfiguration: BalancingConfiguration {
    public static let kind = "gls"
    public static let summary = "geometric loss: the losses' geometric mean"
    public static let options: [PlanOption<GLSConfiguration>] = []

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing { GeometricLoss() }
}
