/// A part of joint training: which tasks learn, for how long, how fast.
public struct JointStage: Sendable, Hashable, Codable {
    public var name: String
    /// The tasks' numbers, ascending.
    public var tasks: [Int]
    /// Passes over as many examples as these tasks have, at most.
    public var epochs: Int
    /// Epochs without a better mean before the stage ends.
    public var patience: Int
    /// What multiplies the plan's learning rate.
    public var rateScale: Double
    public var mixture: TaskMixture
    /// Whether a task that no longer gets better is drawn from only now and then, while others still learn.
    public var restsTasks: Bool

    public init(
        _ name: String, tasks: [Int], epochs: Int, patience: Int, rateScale: Double = 1,
        mixture: TaskMixture = TaskMixture(), restsTasks: Bool = false
    ) {
        (self.name, self.tasks, self.epochs, self.patience) = (name, tasks, epochs, patience)
        (self.rateScale, self.mixture, self.restsTasks) = (rateScale, mixture, restsTasks)
    }
}

/// Into which stages joint training is parted.
public struct JointStaging: Sendable, Hashable, Codable {
    /// Whether tasks that harm the others are found first and left out.
    public var filters: Bool
    /// Whether the tasks with much data train before all do.
    public var beginsWithLargeTasks: Bool

    public init(filters: Bool, beginsWithLargeTasks: Bool) {
        (self.filters, self.beginsWithLargeTasks) = (filters, beginsWithLargeTasks)
    }

    /// All tasks at once.
    public static let joint = JointStaging(filters: false, beginsWithLargeTasks: false)
    /// Tasks that harm the others are left out; then the large tasks train, then all.
    public static let threeStage = JointStaging(filters: true, beginsWithLargeTasks: true)

    /// The words of a plan.
    enum Name: String, CaseIterable {
        case joint
        case threeStage = "three-stage"

        var staging: JointStaging { self == .joint ? .joint : .threeStage }
    }

    /// The stages after the filter.
    ///
    /// - Source: Qu et al. 2025, Deploying Multi-task Online Server with Large Language Model (arXiv:2411.03644): first the
    ///   tasks with much data, then all. What counts as much (at least the median), the halved rate of the last stage and
    ///   when a task rests there are ours; the paper's text does not say.
    public func stages(sizes: [Int], _ plan: TrainPlan, mixture: TaskMixture) -> [JointStage] {
        let all = Array(sizes.indices)
        guard self != .joint else {
            return [JointStage("joint", tasks: all, epochs: plan.epochs, patience: plan.patience, mixture: mixture)]
        }
        let last = JointStage(
            "all", tasks: all, epochs: plan.epochs, patience: plan.patience, rateScale: beginsWithLargeTasks ? 0.5 : 1,
            mixture: mixture, restsTasks: true)
        guard beginsWithLargeTasks else { return [last] }
        let median = TaskMixture.median(sizes)
        return [
            JointStage(
                "high-resource", tasks: all.filter { Double(sizes[$0]) >= median }, epochs: plan.epochs,
                patience: min(2, plan.patience), mixture: mixture), last,
        ]
    }
}
