import PandoTensor

/// Stochastic gradient descent with momentum; weight decay is added to the gradient, as in PyTorch.
public struct SGD: Optimizer {
    public var learningRate: Float
    public let momentum: Float
    public let weightDecay: Float
    public let nesterov: Bool
    public var groups: [ParameterGroup]
    private var velocities = ParameterMemory("momentum_buffer")

    public init(
        learningRate: Float, momentum: Float = 0, weightDecay: Float = 0, nesterov: Bool = false,
        groups: [ParameterGroup] = []
    ) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.nesterov = nesterov
        self.groups = groups
    }

    public mutating func update(_ module: inout some Module, along gradients: Gradients) {
        velocities.prepare(for: gradients, of: "SGD")
        module.step(along: gradients, in: groups) { position, group, parameter, gradient in
            let step = DescentStep(
                rate: learningRate * group.learningRateScale, decay: group.decays ? weightDecay : 0,
                momentum: momentum, nesterov: nesterov)
            guard momentum != 0 else { return step(&parameter, gradient) }
            // From rest, the first velocity is the gradient itself.
            velocities.update(at: position, [.zeros(parameter.shape)]) { step(&parameter, gradient, &$0[0]) }
        }
    }

    public var state: [String: Tensor] {
        get { velocities.state }
        set { velocities.state = newValue }
    }
}
