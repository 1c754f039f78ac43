import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

/// Several tasks, ready to be trained on what they share.
public struct JointTasks: Sendable {
    /// By the tasks' numbers.
    public let tasks: [TaskData]
    /// As it begins: fresh.
    public let sharing: any Sharing
    /// What the sharing policy asks for; row `i` belongs to example `i` of the data set.
    public let features: any FeatureReader
    /// Features of the texts of retrieval tasks, by name.
    public let texts: [String: any FeatureSource]

    /// - Precondition: there is a task, and the policy is for so many.
    public init(
        _ tasks: [TaskData], sharing: any Sharing, features: any FeatureReader,
        texts: [String: any FeatureSource] = [:]
    ) {
        require(
            !tasks.isEmpty && tasks.count == sharing.taskCount,
            "JointTasks: \(tasks.count) tasks, and a policy for \(sharing.taskCount)")
        (self.tasks, self.sharing, self.features, self.texts) = (tasks, sharing, features, texts)
    }

    /// Tasks whose branches are views of one policy.
    init(_ tasks: [BranchTask], sharing: any Sharing) {
        self.init(
            tasks.map(\.data), sharing: sharing, features: tasks[0].features,
            texts: Dictionary(uniqueKeysWithValues: tasks.compactMap { task in task.texts.map { (task.data.name, $0) } }))
    }

    /// Training examples of each task.
    var sizes: [Int] { tasks.map { $0.examples(in: .train).count } }

    /// Whether a loss holds examples of a batch against each other, so that a batch must stay whole.
    var hasContrastiveLoss: Bool { tasks.contains { $0.plan.kind == .retrieval } }

    /// The vectors that each of some tasks' heads reads, of that task's examples in some splits.
    ///
    /// Every example goes through the shared part once.
    func vectors(
        of asked: [Int], in splits: [Split], through sharing: any Sharing, precision: ElementType, workers: Int
    ) -> [any FeatureSource] {
        let members = asked.map { task in Set(splits.flatMap { tasks[task].examples(in: $0).rows }) }
        let rows = members.reduce(into: Set()) { $0.formUnion($1) }.sorted()
        let blocks = rows.indices.blocks(of: Self.sliceSize)
        let parts = Parallel.map(blocks.count, workers: workers) { block in
            let block = Array(rows[blocks[block]])
            let wanted = asked.indices.compactMap { place -> (place: Int, rows: TaskRows)? in
                let places = block.indices.filter { members[place].contains(block[$0]) }
                return places.isEmpty ? nil : (place, TaskRows(asked[place], rows: places))
            }
            let features = self.features.features(block, workers: 1).prepared(for: sharing, precision: precision)
            return zip(wanted.map(\.place), sharing(features, for: wanted.map(\.rows), during: nil)).map { ($0, $1) }
        }
        var collected = [[Tensor]](repeating: [], count: asked.count)
        for (place, vectors) in parts.joined() { collected[place].append(vectors) }
        return asked.indices.map { place in
            RowFeatures(
                rows: rows.filter(members[place].contains), vectors: .concatenated(collected[place]),
                rowCount: features.rowCount)
        }
    }

    /// Examples that one thread runs at once.
    private static let sliceSize = 64
}
