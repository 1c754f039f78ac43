import PandoTensor

/// Follows the step near the mean gradient that lowers the loss that it lowers least as much as it can.
///
/// - Source: Liu et al. 2021, Conflict-Averse Gradient Descent (arXiv:2110.14048), equations 2 and 3; divided by
///   `1 + strength²`, as the authors' code does.
public struct CAGrad: Balancing {
    /// How far from the mean gradient a step may go, as a share of its length.
    public let strength: Double

    public init(strength: Double = 0.5) { self.strength = strength }

    public var readsGradients: Bool { true }
    public var weighsLosses: Bool { false }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        step.weights { gramian, _, _ in
            let mean = [Double](repeating: 1 / Double(gramian.count), count: gramian.count)
            let reach = strength * gramian.squaredNorm(of: mean).squareRoot()
            let worst = gramian.lowestPoint(reach: reach)
            let length = gramian.squaredNorm(of: worst).squareRoot()
            // Where some mean of the gradients vanishes, no step lowers all losses, and the mean gradient is followed.
            let factor = length > 1e-9 * (gramian.norms.max() ?? 0) ? reach / length : 0
            return zip(mean, worst).map { ($0 + factor * $1) / (1 + strength * strength) }
        }
    }

    public var state: [String: Tensor] {
        get { [:] }
        set {}
    }
}

/// How far a step may go from the mean gradient.
public struct CAGradConfiguration: BalancingConfiguration {
    public static let kind = "cagrad"
    public static let summary = "the step near the mean gradient that lowers the worst-off loss most"
    public static let options: [PlanOption<CAGradConfiguration>] = [
        PlanOption("c", "how far from the mean gradient, as a share of its length", .number(0...10) { $0.strength = $1 })
    ]

    public var strength = 0.5

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        CAGrad(strength: strength)
    }
}
