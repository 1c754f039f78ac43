import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// What a bundle's elastic policy takes at each operating point, how good it is there, and where that was measured.
///
/// Times are of the whole pass: what is frozen before the policy runs, and the policy.
public struct MeasuredCosts: Sendable, Hashable, Codable {
    /// Processor and cores.
    public let machine: String
    public let table: CostTable

    /// Examples of the pass that is timed.
    private static let exampleCount = 8
    /// Tokens of a text of the pass, at most.
    private static let tokenCount = 32

    /// Whether times are this machine's.
    public var isOfThisMachine: Bool { machine == Machine.hardware }

    /// Measures time here, and metrics on validation.
    ///
    /// - Parameters:
    ///   - tasks: those that share the policy, by their numbers.
    ///   - heads: of the tasks.
    /// - Throws: `ComputeError` if a metric is no number.
    init(
        of policy: any Elastic, on backbone: PlanBackbone, plan: Plan, tasks: [BranchTask], heads: [TaskHead], workers: Int
    ) throws {
        let joint = JointTasks(tasks, sharing: policy)
        let all = Array(tasks.indices)
        let times = Self.milliseconds(of: policy, at: policy.operatingPoints, on: backbone, plan: plan)
        table = try CostTable(
            zip(policy.operatingPoints, times).map { point, time in
                let vectors = joint.vectors(
                    of: all, in: [.validation], through: policy.running(at: point),
                    precision: plan.train.precision.elementType, workers: workers)
                return CostTable.Entry(
                    point: point, milliseconds: time,
                    metrics: all.map { task in
                        let score = heads[task].metrics(
                            on: tasks[task].data.examples(in: .validation), features: vectors[task], texts: tasks[task].texts
                        ).primary
                        return score.largerIsBetter ? score.value : -score.value
                    })
            }, fullMilliseconds: times.last)
        machine = Machine.hardware
    }

    init(machine: String, table: CostTable) { (self.machine, self.table) = (machine, table) }

    /// The same metrics with times measured here.
    /// - Throws: `ComputeError`, as `CostTable`.
    func timedHere(_ policy: any Elastic, on backbone: PlanBackbone, plan: Plan) throws(ComputeError) -> MeasuredCosts {
        let times = Self.milliseconds(of: policy, at: table.entries.map(\.point), on: backbone, plan: plan)
        return MeasuredCosts(machine: Machine.hardware, table: try table.timed(times))
    }

    /// Of a pass over made-up examples, one thread.
    private static func milliseconds(
        of policy: any Elastic, at points: [OperatingPoint], on backbone: PlanBackbone, plan: Plan
    ) -> [Double] {
        let frozen = plan.frozen(backbone.network, for: policy.request)
        let input: BackboneInput
        switch backbone.reading {
        case .pictures(let preprocessing):
            let size = preprocessing.outputSize
            input = .pictures(.zeros([exampleCount, size.height, size.width, 3]))
        case .texts(let reading):
            let shape = [exampleCount, min(tokenCount, reading.maximumTokens)]
            let ones = Tensor([Int64](repeating: 1, count: shape[0] * shape[1]), shape: shape)
            input = .texts(TokenTensors(ids: ones, attentionMask: ones))
        }
        let features = frozen.features(of: input)
        let clock = ContinuousClock()
        let before = (0..<3).map { _ in clock.measure { _ = frozen.features(of: input) } / .milliseconds(1) }.min() ?? 0
        return policy.milliseconds(at: points, on: features, precision: plan.train.precision.elementType)
            .map { $0 + before }
    }
}
