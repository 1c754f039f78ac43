import PandoTensor

/// Adam whose step for each parameter tensor is as long as a share of the tensor itself: for large batches.
///
/// `r = m̂ / (√v̂ + ε) + λp`, `p ← p - rate · ‖p‖ / ‖r‖ · r`; where either length is zero their ratio counts as 1.
/// - Source: You et al. 2020, Large Batch Optimization for Deep Learning (arXiv:1904.00962), algorithm 2, with φ the
///   identity.
public struct LAMB: Optimizer {
    public var learningRate: Float
    public let betas: (Float, Float)
    public let epsilon: Float
    public let weightDecay: Float
    public var groups: [ParameterGroup]
    private var moments = ParameterMemory("exp_avg", "exp_avg_sq")
    private var steps = 0

    public init(
        learningRate: Float, betas: (Float, Float) = (0.9, 0.999), epsilon: Float = 1e-6, weightDecay: Float = 0.01,
        groups: [ParameterGroup] = []
    ) {
        self.learningRate = learningRate
        self.betas = betas
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.groups = groups
    }

    public mutating func update(_ module: inout some Module, along gradients: Gradients) {
        moments.prepare(for: gradients, of: "LAMB")
        steps += 1
        let corrections = (1 - powerOf(betas.0, steps), 1 - powerOf(betas.1, steps))
        module.step(along: gradients, in: groups) { position, group, parameter, gradient in
            let direction = Direction(
                betas: betas, corrections: corrections, epsilon: epsilon, decay: group.decays ? weightDecay : 0)
            let rate = learningRate * group.learningRateScale
            moments.update(at: position, [.zeros(parameter.shape), .zeros(parameter.shape)]) {
                let direction = direction(of: parameter, along: gradient, &$0[0], &$0[1])
                let lengths = (length(of: parameter), length(of: direction))
                let trust = lengths.0 > 0 && lengths.1 > 0 ? lengths.0 / lengths.1 : 1
                DescentStep(rate: rate * trust)(&parameter, direction)
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

/// The Euclidean length of all elements.
func length(of tensor: Tensor) -> Float {
    tensor.withScalars { Float($0.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()) }
}

/// Moves the moments; gives `m̂ / (√v̂ + ε) + decay · p`.
private struct Direction {
    let betas, corrections: (Float, Float)
    let epsilon, decay: Float

    func callAsFunction(
        of parameter: Tensor, along gradient: Tensor, _ first: inout Tensor, _ second: inout Tensor
    ) -> Tensor {
        require(
            parameter.shape == gradient.shape && parameter.shape == first.shape,
            "LAMB: parameter \(parameter.shape), gradient \(gradient.shape), moments \(first.shape)")
        var direction = parameter * decay
        gradient.withScalars { g in
            direction.mutateScalars { r in
                first.mutateScalars { m in
                    second.mutateScalars { v in
                        for index in r.indices {
                            m[index] = betas.0 * m[index] + (1 - betas.0) * g[index]
                            v[index] = betas.1 * v[index] + (1 - betas.1) * g[index] * g[index]
                            let scale = (v[index] / corrections.1).squareRoot() + epsilon
                            r[index] += m[index] / corrections.0 / scale
                        }
                    }
                }
            }
        }
        return direction
    }
}
