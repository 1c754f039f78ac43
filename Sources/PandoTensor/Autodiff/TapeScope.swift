import Synchronization

/// What holds for operations while a scope lasts, on its thread and on the workers it starts.
struct TapeScope: Sendable {
    /// Where values that are not finite are reported; `nil` outside `detectAnomaly`.
    var anomalies: AnomalyRecord?
    /// Not `nil` where operations leave no tape behind: it takes down what they would have recorded.
    var untaped: UntapedInputs?
    /// The slice of the batch that the thread computes, if it is one of several.
    var lane: Lane?

    @TaskLocal private static var innermost = TapeScope()
    /// Scopes of all threads, so that an operation outside any costs one load.
    private static let count = Atomic<Int>(0)

    /// `nil` where nothing special holds.
    static var current: TapeScope? { count.load(ordering: .relaxed) == 0 ? nil : innermost }

    /// Runs `body` with what holds already, changed by `change`.
    static func with<Result>(_ change: (inout TapeScope) -> Void, _ body: () throws -> Result) rethrows -> Result {
        var scope = current ?? TapeScope()
        change(&scope)
        return try scope.during(body)
    }

    /// Runs `body` in this scope.
    func during<Result>(_ body: () throws -> Result) rethrows -> Result {
        Self.count.wrappingAdd(1, ordering: .relaxed)
        defer { Self.count.wrappingSubtract(1, ordering: .relaxed) }
        return try Self.$innermost.withValue(self, operation: body)
    }
}
