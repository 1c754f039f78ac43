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
    private var moments: [(first: Tensor, second: Tensor)] = []
    private var steps = 0

    public init(
        learningRate: Float, betas: (Float, Float) = (0.9, 0.999), epsilon: Float = 1e-8, weightDecay: Float = 0.01
    ) {
        self.learningRate = learningRate
        self.betas = betas
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    public mutating func update(_ module: inout some Module, along gradients: Gradients) {
        if moments.isEmpty { moments = gradients.tensors.map { (.zeros($0.shape), .zeros($0.shape)) } }
        require(
            moments.count == gradients.tensors.count,
            "AdamW: the state holds moments of \(moments.count) parameters, the module has \(gradients.tensors.count)")
        steps += 1
        let corrections = (1 - powerOf(betas.0, steps), 1 - powerOf(betas.1, steps))
        let step = AdamStep(
            rate: learningRate / corrections.0, decay: 1 - learningRate * weightDecay, betas: betas,
            secondScale: 1 / corrections.1.squareRoot(), epsilon: epsilon)
        var moments = moments
        self.moments = []
        module.step(along: gradients) { position, parameter, gradient in
            let (moved, first, second) = step(parameter, gradient, moments[position].first, moments[position].second)
            moments[position] = (first.counted(as: .optimizer), second.counted(as: .optimizer))
            return moved
        }
        self.moments = moments
    }

    public var state: [String: Tensor] {
        get {
            var state = ["step": Tensor(Int64(steps))]
            for (position, moment) in moments.enumerated() {
                state["\(position).exp_avg"] = moment.first
                state["\(position).exp_avg_sq"] = moment.second
            }
            return state
        }
        set {
            steps = newValue["step"].map { Int($0.scalar(as: Int64.self)) } ?? 0
            moments = []
            while let first = newValue["\(moments.count).exp_avg"], let second = newValue["\(moments.count).exp_avg_sq"]
            {
                moments.append((first, second))
            }
        }
    }
}

private func powerOf(_ base: Float, _ exponent: Int) -> Float {
    var (result, factor, rest) = (1.0, Double(base), exponent)
    while rest > 0 {
        if rest & 1 == 1 { result *= factor }
        factor *= factor
        rest >>= 1
    }
    return Float(result)
}
