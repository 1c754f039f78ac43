import PandoBranches

/// What the tasks of a plan share, and how they are trained together.
public struct SharingPlan: Sendable, Hashable, Codable {
    public var choice: SharingChoice
    /// The tasks that share, by name, in the plan's order; `nil` for all. The others have adapters of their own.
    public var tasks: [String]?
    public var balancing: BalancingChoice
    public var staging: JointStaging
    public var mixture: TaskMixture

    public init(
        _ choice: SharingChoice = SharingChoice(), tasks: [String]? = nil, balancing: BalancingChoice = BalancingChoice(),
        staging: JointStaging = .joint, mixture: TaskMixture = TaskMixture()
    ) {
        (self.choice, self.tasks, self.balancing) = (choice, tasks, balancing)
        (self.staging, self.mixture) = (staging, mixture)
    }
}

extension Plan {
    /// The places in `tasks` of those that share something, ascending; empty if the plan has no sharing.
    public var sharedTasks: [Int] {
        guard let sharing else { return [] }
        return tasks.indices.filter { sharing.tasks?.contains(tasks[$0].name) ?? true }
    }
}
