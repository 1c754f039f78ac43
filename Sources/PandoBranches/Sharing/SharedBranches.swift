import PandoBackbones
import PandoNN
import PandoTensor

/// Several tasks on what they share: the shared part, and a head for each task.
public struct SharedBranches: Module {
    public var sharing: any Sharing
    /// By the tasks' numbers.
    public var heads: [TaskHead]

    /// - Precondition: a head for each task, reading vectors of the length that the shared part makes.
    public init(_ sharing: any Sharing, heads: [TaskHead]) {
        require(
            heads.count == sharing.taskCount,
            "SharedBranches: \(heads.count) heads for \(sharing.taskCount) tasks")
        for head in heads {
            require(
                head.featureCount == sharing.featureCount,
                "SharedBranches: a head reads \(head.featureCount) features, the shared part makes \(sharing.featureCount)")
        }
        (self.sharing, self.heads) = (sharing, heads)
    }

    /// One task as a branch of its own, for measuring and predicting.
    public func branch(of task: Int) -> Branch { Branch(adapter: SharedView(sharing, task: task), head: heads[task]) }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("sharing", &sharing)
        visitor.modules("heads", &heads)
    }
}
