import PandoBackbones
import PandoNN
import PandoTensor

/// What the tasks of a plan share between a backbone and their heads: it makes, of a backbone's features, the vector that
/// each task's head reads.
///
/// Where an `Adapter` belongs to one task, a sharing policy belongs to all, is trained by all together, and says who uses
/// what of it. As with an adapter, the gradient entry alone decides what can be stored and which passes are shared.
public protocol Sharing: Module {
    /// What it reads of the frozen pass.
    var request: FeatureRequest { get }

    /// As of `Adapter`: the place of the first block that gradients pass through; `nil` if none enters the backbone.
    var gradientEntry: Int? { get }

    /// Tasks are known by their number, in the plan's order.
    var taskCount: Int { get }

    /// Length of the vector that each task's head reads.
    var featureCount: Int { get }

    /// The vectors that the heads of some tasks read.
    ///
    /// What tasks have in common is computed once for all rows; what belongs to one task, for its rows alone. As with an
    /// adapter, the result depends neither on padding nor on which examples share a batch.
    /// - Shapes: features of `N` examples → for each of `asked`, in order, `[rows, featureCount]`, `float32`.
    /// - Parameter pass: given when the call is part of training.
    /// - Precondition: no task stands twice in `asked`.
    func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor]

    /// The losses of some tasks at a training step, in the order of `asked`.
    ///
    /// Most policies make each task's vectors once and ask `loss` of them; one that is trained at several costs at once adds
    /// up what it asks for each.
    /// - Parameter loss: the loss of the task at a place in `asked`, whose head reads the given vectors.
    func losses(
        of features: Features, for asked: [TaskRows], during pass: TrainingPass,
        by loss: (_ place: Int, _ vectors: Tensor) -> Tensor
    ) -> [Tensor]

    /// What is added to the tasks' losses at each training step, beside them; `nil` for nothing.
    func regularization() -> Tensor?

    /// As of `Adapter`.
    func keepingFrozenWeights(as type: ElementType) -> Self
}

extension Sharing {
    public var gradientEntry: Int? { nil }

    public func losses(
        of features: Features, for asked: [TaskRows], during pass: TrainingPass,
        by loss: (_ place: Int, _ vectors: Tensor) -> Tensor
    ) -> [Tensor] {
        self(features, for: asked, during: pass).enumerated().map { loss($0, $1) }
    }

    public func regularization() -> Tensor? { nil }

    public func keepingFrozenWeights(as type: ElementType) -> Self { self }

    /// The vectors of all examples for each of some tasks, when nothing is learned.
    public func callAsFunction(_ features: Features, for tasks: [Int]) -> [Tensor] {
        self(features, for: tasks.map { TaskRows($0) }, during: nil)
    }
}

/// The examples of a batch that a task is asked about: in training, those that are labelled for it.
public struct TaskRows: Sendable, Hashable {
    public let task: Int
    /// Places in the batch; `nil` for all.
    public let rows: [Int]?

    public init(_ task: Int, rows: [Int]? = nil) { (self.task, self.rows) = (task, rows) }

    /// The rows of `x` `[N, …]` that are asked about.
    public func of(_ x: Tensor) -> Tensor {
        guard let rows else { return x }
        return x.gathered(at: Tensor(rows.map(Int64.init)))
    }
}

/// One adapter for all tasks: the plain shared trunk, whatever the trunk is; a hidden layer, or a backbone's last blocks.
///
/// - Source: hard parameter sharing, Caruana 1997, Multitask Learning.
public struct SharedTrunk: Sharing {
    public var adapter: any Adapter
    public let taskCount: Int

    public init(_ adapter: any Adapter, taskCount: Int) { (self.adapter, self.taskCount) = (adapter, taskCount) }

    public var request: FeatureRequest { adapter.request }
    public var gradientEntry: Int? { adapter.gradientEntry }
    public var featureCount: Int { adapter.featureCount }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let vectors = adapter(features, during: pass)
        return asked.map { $0.of(vectors) }
    }

    public func keepingFrozenWeights(as type: ElementType) -> SharedTrunk {
        SharedTrunk(adapter.keepingFrozenWeights(as: type), taskCount: taskCount)
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.module("adapter", &adapter) }
}

/// One task's view on what all tasks share.
///
/// It visits the shared weights: a view is for looking, not for training a task by itself.
public struct SharedView: Adapter {
    public var sharing: any Sharing
    public let task: Int

    /// - Precondition: the task is one of those that share.
    public init(_ sharing: any Sharing, task: Int) {
        require((0..<sharing.taskCount).contains(task), "SharedView: task \(task) of \(sharing.taskCount)")
        (self.sharing, self.task) = (sharing, task)
    }

    public var request: FeatureRequest { sharing.request }
    public var gradientEntry: Int? { sharing.gradientEntry }
    public var featureCount: Int { sharing.featureCount }

    public func callAsFunction(_ features: Features, during pass: TrainingPass?) -> Tensor {
        sharing(features, for: [TaskRows(task)], during: pass)[0]
    }

    public func keepingFrozenWeights(as type: ElementType) -> SharedView {
        SharedView(sharing.keepingFrozenWeights(as: type), task: task)
    }

    public mutating func visit(_ visitor: inout some Visitor) { visitor.module("sharing", &sharing) }
}
