import PandoTensor

/// Takes from every gradient what points against another task's gradient, one other task after another in an order drawn
/// anew, and follows the sum.
///
/// - Source: Yu et al. 2020, Gradient Surgery for Multi-Task Learning (arXiv:2001.06782), algorithm 1. A projected gradient
///   is a weighted sum of gradients, so ours projects the weights.
public struct PCGrad: Balancing {
    private var generator: SeededGenerator

    public init(using generator: SeededGenerator) { self.generator = generator }

    public var readsGradients: Bool { true }
    public var weighsLosses: Bool { false }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        step.weights { gramian, _, _ in
            let orders = (0..<gramian.count).map { task in
                (0..<gramian.count).filter { $0 != task }.shuffled(using: &generator)
            }
            return Self.weights(gramian, orders)
        }
    }

    /// - Parameter orders: for each task, the others in the order in which it is held against them.
    static func weights(_ gramian: Gramian, _ orders: [[Int]]) -> [Double] {
        var sum = [Double](repeating: 0, count: gramian.count)
        for (task, order) in orders.enumerated() {
            var own = [Double](repeating: 0, count: gramian.count)
            own[task] = 1
            for other in order {
                let product = (0..<gramian.count).reduce(0) { $0 + gramian[other, $1] * own[$1] }
                if product < 0 { own[other] -= product / gramian[other, other] }
            }
            for place in sum.indices { sum[place] += own[place] }
        }
        return sum
    }

    public var state: [String: Tensor] {
        get { ["generator": Tensor(generator)] }
        set { generator = newValue.generator("generator") }
    }
}

/// Nothing to choose.
public struct PCGradConfiguration: BalancingConfiguration {
    public static let kind = "pcgrad"
    public static let summary = "gradients without what points against another's"
    public static let options: [PlanOption<PCGradConfiguration>] = []

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        PCGrad(using: generator.split("pcgrad"))
    }
}
