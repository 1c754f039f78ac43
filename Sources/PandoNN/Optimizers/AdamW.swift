import PandoTensor

/// Adam with weight decay that does not pass through the moments.
///
/// - Source: Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2; PyTorch's form, in which decay is multiplied
///   by the learning rate.
public struct AdamW: Optimizer {
    public var learningRate: Float
    public let betas: (Float, Float)
    public let epsilon: Float
    public let weightDecay: Float
    public var groups: [ParameterGroup]
    private var moments = ParameterMemory("exp_avg", "exp_avg_sq")
    private var steps = 0

    public init(
        learningRate: Float, betas: (Float, Float) = (0.9, 0.999), epsilon: Float = 1e-8, weightDecay: Float = 0.01,
        groups: [ParameterGroup] = []
    ) {
        self.learningRate = learningRate
        self.betas = betas
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.groups = groups
    }

    public mutating func update(_ module: inout some Module, along gradients: Gradients) {
        moments.prepare(for: gradients, of: "AdamW")
        steps += 1
        let corrections = (1 - powerOf(betas.0, steps), 1 - powerOf(betas.1, steps))
        module.step(along: gradients, in: groups) { position, group, parameter, gradient in
            let rate = learningRate * group.learningRateScale
            let step = AdamStep(
                rate: rate / corrections.0, decay: group.decays ? 1 - rate * weightDecay : 1, betas: betas,
                secondScale: 1 / corrections.1.squareRoot(), epsilon: epsilon)
            moments.update(at: position, [.zeros(parameter.shape), .zeros(parameter.shape)]) {
                step(&parameter, gradient, &$0[0], &$0[1])
            }
        }
    }

    public var state: [String: Tensor] {
        get { moments.state.merging(["step": Tensor(Int64(steps))]) { $1 } }
        set {
            steps = newValue["step"].map { Int($0.scalar(as: Int64.self)) } ?? 0
            moments.state = newValue
        }
    }
}

/// `base` to the power of `exponent`, computed in double precision.
func powerOf(_ base: Float, _ exponent: Int) -> Float {
    var (result, factor, rest) = (1.0, Double(base), exponent)
    while rest > 0 {
        if rest & 1 == 1 { result *= factor }
        factor *= factor
        rest >>= 1
    }
    return Float(result)
}
