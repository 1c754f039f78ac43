import PandoTensor

/// Turns every gradient towards each other task's until their cosine is at least what it has been on average, and follows
/// the sum.
///
/// - Source: Wang et al. 2021, Gradient Vaccine (arXiv:2010.05874), equations 2 and 3. Ours takes all shared parameters as
///   one vector.
public struct GradVac: Balancing {
    /// How much a new cosine counts in the average.
    public let beta: Double
    private let taskCount: Int
    /// Cosines on average, row by row.
    private var goals: [Float]
    private var generator: SeededGenerator

    public init(taskCount: Int, beta: Double = 0.5, using generator: SeededGenerator) {
        (self.taskCount, self.beta, self.generator) = (taskCount, beta, generator)
        goals = [Float](repeating: 0, count: taskCount * taskCount)
    }

    public var readsGradients: Bool { true }
    public var weighsLosses: Bool { false }

    public mutating func weights(for step: BalancingStep) -> [Float] {
        step.weights { gramian, _, places in
            let orders = (0..<gramian.count).map { task in
                (0..<gramian.count).filter { $0 != task }.shuffled(using: &generator)
            }
            return weights(gramian, places.map { step.tasks[$0] }, orders)
        }
    }

    /// - Parameter orders: as of `PCGrad`.
    mutating func weights(_ gramian: Gramian, _ tasks: [Int], _ orders: [[Int]]) -> [Double] {
        let norms = gramian.norms
        var sum = [Double](repeating: 0, count: gramian.count)
        for (task, order) in orders.enumerated() {
            var own = [Double](repeating: 0, count: gramian.count)
            own[task] = 1
            for other in order {
                let place = tasks[task] * taskCount + tasks[other]
                let length = gramian.squaredNorm(of: own).squareRoot()
                let product = (0..<gramian.count).reduce(0) { $0 + gramian[other, $1] * own[$1] }
                let cosine = length > 0 ? min(max(product / (length * norms[other]), -1), 1) : 0
                let goal = Double(goals[place])
                let opening = (1 - goal * goal).squareRoot()
                if cosine < goal, opening > 1e-6 {
                    let turn = goal * (1 - cosine * cosine).squareRoot() - cosine * opening
                    own[other] += length * turn / (norms[other] * opening)
                }
                goals[place] = Float((1 - beta) * goal + beta * cosine)
            }
            for place in sum.indices { sum[place] += own[place] }
        }
        return sum
    }

    public var state: [String: Tensor] {
        get { ["goals": Tensor(goals), "generator": Tensor(generator)] }
        set {
            goals = newValue.numbers("goals", count: goals.count)
            generator = newValue.generator("generator")
        }
    }
}

/// How fast the average cosines move.
public struct GradVacConfiguration: BalancingConfiguration {
    public static let kind = "gradvac"
    public static let summary = "gradients turned towards each other, as far as their usual cosine"
    public static let options: [PlanOption<GradVacConfiguration>] = [
        PlanOption("beta", "how much a new cosine counts in the average", .number(0...1) { $0.beta = $1 })
    ]

    public var beta = 0.5

    public init() {}

    public func makeBalancing(taskCount: Int, using generator: inout SeededGenerator) -> any Balancing {
        GradVac(taskCount: taskCount, beta: beta, using: generator.split("gradvac"))
    }
}
