import Glibc
import PandoTensor

/// Follows the weighted sum that is as long along every task's gradient, with weights of sum 1 (G); and scales losses to
/// be alike, `exp(s) · loss`, where `s` follows the gradient of `exp(s) · loss - s` (L).
///
/// - Source: Liu et al. 2021, Towards Impartial Multi-task Learning (ICLR 2021), §3.1 and §3.2. Ours divides by the
///   magnitude of the weights' sum, so that no step goes uphill for all tasks; `s` steps by itself, with derivatives cut off
///   at 1; and where both are used, the scales reach what is shared, not the heads.
public struct IMTL: Balancing {
    /// Which of its halves are used.
    public enum Form: String, Sendable, Codable, CaseIterable { case gradients, losses, both }

    public let form: Form
    /// Of a step of `s`.
    public let rate: Float
    /// Logarithms of the losses' scales, by task.
    private var scales: [Float]

    public init(taskCount: Int, form: Form = .both, rate: Float = 0.01) {
        (self.form, self.rate) = (form, rate)
        scales = [Float](repeating: 0, count: taskCount)
    }

    public var readsGradients: Bool { form != .losses }
    public var weighsLosses: Bool { form == .losses }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        let factors = step.weights { expf(scales[step.tasks[$0]]) }
        if form != .gradients {
            for place in step.tasks.indices where step.losses[place].isFinite {
                let derivative = factors[place] * step.losses[place] - 1
                scales[step.tasks[place]] -= rate * min(max(derivative, -1), 1)
            }
        }
        guard readsGradients else { return factors }
        return step.weights { gramian, _, places in
            let factors = places.map { Double(factors[$0]) }
            return zip(Self.impartial(gramian.scaled(by: factors)), factors).map { $0 * $1 }
        }
    }

    /// The weights of sum 1 or -1 whose sum has the same, positive, inner product with every gradient of length 1.
    private static func impartial(_ gramian: Gramian) -> [Double] {
        let norms = gramian.norms
        let cosines = gramian.scaled(by: norms.map { 1 / $0 })
        // The ridge decides where gradients are alike.
        guard let shares = cosines.solution(of: norms.map { _ in 1 }, ridge: 1e-9) else { return norms.map { _ in 1 } }
        let weights = zip(shares, norms).map { $0 / $1 }
        let (sum, size) = weights.reduce((0, 0)) { ($0.0 + $1, $0.1 + abs($1)) }
        return weights.map { $0 / max(abs(sum), 1e-3 * size) }
    }

    public var state: [String: Tensor] {
        get { ["scales": Tensor(scales)] }
        set { scales = newValue.numbers("scales", count: scales.count) }
    }
}

/// Which halves, and how fast the scales are learned.
public struct IMTLConfiguration: BalancingConfiguration {
    public static let kind = "imtl"
    public static let summary = "a step as long along every task's gradient, of losses scaled alike"
    public static let options: [PlanOption<IMTLConfiguration>] = [
        PlanOption(
            "form", "what is made impartial",
            .choice(IMTL.Form.allCases.map(\.rawValue)) { options, name in
                options.form = IMTL.Form(rawValue: name) ?? .both
            }),
        PlanOption("rate", "of a step of the losses' scales", .number(0.0001...1) { $0.rate = $1 }),
    ]

    public var form = IMTL.Form.both
    public var rate = 0.01

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        IMTL(taskCount: taskCount, form: form, rate: Float(rate))
    }
}
