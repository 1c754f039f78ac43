import PandoTensor

/// Stochastic gradient descent with momentum; weight decay is added to the gradient, as in PyTorch.
public struct SGD: Optimizer {
    public var learningRate: Float
    public let momentum: Float
    public let weightDecay: Float
    public let nesterov: Bool
    private var velocities: [Tensor] = []

    public init(learningRate: Float, momentum: Float = 0, weightDecay: Float = 0, nesterov: Bool = false) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.nesterov = nesterov
    }

    public mutating func update(_ module: inout some Module, along gradients: Gradients) {
        let isFirst = velocities.isEmpty
        require(
            isFirst || velocities.count == gradients.tensors.count,
            "SGD: the state holds velocities of \(velocities.count) parameters, the module has \(gradients.tensors.count)"
        )
        var velocities = velocities
        let (rate, momentum, decay, nesterov) = (learningRate, momentum, weightDecay, nesterov)
        module.step(along: gradients) { position, parameter, gradient in
            let slope = decay == 0 ? gradient : gradient + parameter * decay
            guard momentum != 0 else { return parameter - slope * rate }
            if isFirst {
                velocities.append(slope)
            } else {
                velocities[position] = velocities[position] * momentum + slope
            }
            velocities[position].counted(as: .optimizer)
            return parameter - (nesterov ? slope + velocities[position] * momentum : velocities[position]) * rate
        }
        self.velocities = velocities
    }

    public var state: [String: Tensor] {
        get { Dictionary(uniqueKeysWithValues: velocities.enumerated().map { ("\($0).momentum_buffer", $1) }) }
        set {
            velocities = []
            while let velocity = newValue["\(velocities.count).momentum_buffer"] { velocities.append(velocity) }
        }
    }
}
