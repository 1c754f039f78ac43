import PandoTensor

/// The exponential moving average of a module's weights, which often predicts better than the weights themselves.
///
/// `average ← decay · average + (1 - decay) · parameter`; buffers are taken as they are.
/// - Source: Polyak and Juditsky 1992; the form of Tarvainen and Valpola 2017 (arXiv:1703.01780).
public struct MovingAverage<M: Module>: Sendable {
    /// The average so far; at first the module itself.
    public private(set) var module: M
    public let decay: Float
    /// Whether early averages follow faster: at update n the decay is at most `(1 + n) / (10 + n)`.
    public let warmsUp: Bool
    /// How many updates there were; saved with the module, it restores the average.
    public private(set) var updates: Int

    /// - Precondition: `0 <= decay <= 1`.
    public init(of module: M, decay: Float = 0.999, warmsUp: Bool = false, updates: Int = 0) {
        require((0...1).contains(decay), "moving average: decay \(decay) is outside 0...1")
        self.module = module
        self.decay = decay
        self.warmsUp = warmsUp
        self.updates = updates
    }

    /// Moves the average towards the module after a training step.
    public mutating func update(towards trained: M) {
        let limit = Float(1 + updates) / Float(10 + updates)
        var averager = Averager(decay: warmsUp ? min(decay, limit) : decay, tensors: trained.namedTensors.map(\.tensor))
        module.visit(&averager)
        updates += 1
    }
}

private struct Averager: Visitor {
    let decay: Float
    let tensors: [Tensor]
    private var position = 0

    init(decay: Float, tensors: [Tensor]) {
        self.decay = decay
        self.tensors = tensors
    }

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {
        let target = next(name, tensor)
        target.withScalars { target in
            tensor.mutateScalars { average in
                for index in average.indices { average[index] = decay * average[index] + (1 - decay) * target[index] }
            }
        }
    }

    mutating func buffer(_ name: String, _ tensor: inout Tensor) { tensor = next(name, tensor) }

    private mutating func next(_ name: String, _ tensor: Tensor) -> Tensor {
        require(
            position < tensors.count && tensors[position].shape == tensor.shape,
            "moving average: the module has another \(name) than the one that the average began with")
        defer { position += 1 }
        return tensors[position]
    }
}
