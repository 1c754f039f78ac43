import PandoTensor

/// Weighs a loss the more, the slower it fell from the last epoch but one to the last: `K · softmax(ratio / temperature)`.
///
/// The ratios are of mean losses of whole epochs; until a task has two of them, its ratio is 1.
/// - Source: Liu, Johns and Davison 2019, End-to-End Multi-Task Learning with Attention (arXiv:1803.10704), equation 7.
public struct DynamicWeightAverage: Balancing {
    public let temperature: Double
    private var epoch = 0
    /// Mean losses of the present epoch so far, and of how many steps, by task.
    private var means, counts: [Float]
    /// Mean losses of the last epoch and of the one before, by task; 0 where there is none.
    private var last, beforeLast: [Float]

    public init(taskCount: Int, temperature: Double = 2) {
        self.temperature = temperature
        let zeros = [Float](repeating: 0, count: taskCount)
        (means, counts, last, beforeLast) = (zeros, zeros, zeros, zeros)
    }

    public var readsGradients: Bool { false }
    public var weighsLosses: Bool { true }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        if step.epoch != epoch { begin(step.epoch) }
        for (task, loss) in zip(step.tasks, step.losses) where loss.isFinite {
            counts[task] += 1
            means[task] += (loss - means[task]) / counts[task]
        }
        let ratios = zip(last, beforeLast).map { $0 > 0 && $1 > 0 ? Double($0 / $1) : 1 }
        let shares = softmax(ratios.map { $0 / temperature })
        return step.weights { Float(Double(shares.count) * shares[step.tasks[$0]]) }
    }

    private mutating func begin(_ epoch: Int) {
        self.epoch = epoch
        for task in counts.indices where counts[task] > 0 {
            (beforeLast[task], last[task]) = (last[task], means[task])
            (means[task], counts[task]) = (0, 0)
        }
    }

    public var state: [String: Tensor] {
        get {
            [
                "epoch": Tensor([Float(epoch)]), "means": Tensor(means), "counts": Tensor(counts), "last": Tensor(last),
                "beforeLast": Tensor(beforeLast),
            ]
        }
        set {
            epoch = Int(newValue.numbers("epoch", count: 1)[0])
            means = newValue.numbers("means", count: means.count)
            counts = newValue.numbers("counts", count: means.count)
            last = newValue.numbers("last", count: means.count)
            beforeLast = newValue.numbers("beforeLast", count: means.count)
        }
    }
}

/// How strongly the ratios count.
public struct DWAConfiguration: BalancingConfiguration {
    public static let kind = "dwa"
    public static let summary = "dynamic weight average: losses that fall slowly weigh more"
    public static let options: [PlanOption<DWAConfiguration>] = [
        PlanOption("temperature", "the higher, the more equal the weights", .number(0.01...1000) { $0.temperature = $1 })
    ]

    public var temperature = 2.0

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        DynamicWeightAverage(taskCount: taskCount, temperature: temperature)
    }
}
