import PandoTensor

/// What tasks share, at one of several costs that is chosen when it runs.
public protocol Elastic: Sharing {
    /// The costs that it was trained for when all tasks matter alike: cheapest first, the last is the whole.
    var operatingPoints: [OperatingPoint] { get }

    /// The costs worth a look when tasks matter so: cheapest first.
    ///
    /// A task that is preferred to another has at least its width at every point.
    func operatingPoints(preferring preferences: TaskPreferences) -> [OperatingPoint]

    /// What is left at a point: a policy whose weights are slices of this one's. What the point leaves out is not computed.
    /// - Precondition: `point` is for so many tasks.
    func running(at point: OperatingPoint) -> any Sharing
}

extension Elastic {
    /// Where no task has a part of its own, preferences change nothing.
    public func operatingPoints(preferring preferences: TaskPreferences) -> [OperatingPoint] { operatingPoints }
}

/// How much of itself an elastic policy runs.
public struct OperatingPoint: Sendable, Hashable, Codable {
    /// Of what all tasks share, above 0 and at most 1.
    public let shared: Double
    /// Of each task's own part; empty where tasks have none.
    public let tasks: [Double]

    /// - Precondition: all numbers are above 0 and at most 1.
    public init(shared: Double, tasks: [Double] = []) {
        require(
            ([shared] + tasks).allSatisfy { $0 > 0 && $0 <= 1 },
            "OperatingPoint: \(shared) and \(tasks), expected numbers above 0 and at most 1")
        (self.shared, self.tasks) = (shared, tasks)
    }

    /// Whether it is open at least as far as another everywhere.
    public func covers(_ other: OperatingPoint) -> Bool {
        shared >= other.shared && zip(tasks, other.tasks).allSatisfy { $0 >= $1 }
    }
}
