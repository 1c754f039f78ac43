/// How much each task matters when they compete for one cost; the numbers add up to 1.
public struct TaskPreferences: Sendable, Hashable {
    /// By the tasks' numbers.
    public let weights: [Double]
    /// Whether they were scaled to add up to 1.
    public let wasNormalized: Bool

    /// Each task as much as each other.
    /// - Precondition: there is a task.
    public static func equal(taskCount: Int) -> TaskPreferences {
        TaskPreferences(known: Array(repeating: 1 / Double(taskCount), count: taskCount))
    }

    /// - Parameter names: of the tasks, for what is thrown.
    /// - Throws: `ComputeError` naming every number that is negative or none, or if all are 0.
    public init(_ numbers: [Double], names: [String]? = nil) throws(ComputeError) {
        let wrong = numbers.indices.filter { !(numbers[$0] >= 0) || !numbers[$0].isFinite }
        guard wrong.isEmpty else {
            let found = wrong.map { "\(names?[$0] ?? "task \($0)") has \(numbers[$0])" }.joined(separator: ", ")
            throw ComputeError("preferences are numbers from 0 on; \(found)")
        }
        let sum = numbers.reduce(0, +)
        guard sum > 0 else { throw ComputeError("preferences need a number above 0 for at least one task") }
        weights = numbers.map { $0 / sum }
        wasNormalized = abs(sum - 1) > 1e-6
    }

    /// Numbers for some tasks by name; those that are not named count for nothing.
    /// - Throws: `ComputeError` if a name is no task, or as `init(_:)`.
    public init(_ numbers: [String: Double], among tasks: [String]) throws(ComputeError) {
        let unknown = numbers.keys.filter { !tasks.contains($0) }.sorted()
        guard unknown.isEmpty else {
            throw ComputeError(
                "preferences name \(unknown.joined(separator: ", ")); the tasks are \(tasks.joined(separator: ", "))")
        }
        try self.init(tasks.map { numbers[$0] ?? 0 }, names: tasks)
    }

    private init(known weights: [Double]) { (self.weights, wasNormalized) = (weights, false) }

    /// The mean of the tasks' numbers, each counted by its preference.
    /// - Precondition: a number for each task.
    public func mean(of values: [Double]) -> Double { zip(weights, values).reduce(0) { $0 + $1.0 * $1.1 } }
}
