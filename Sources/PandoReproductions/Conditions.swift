import PandoData
import PandoTraining

/// Under which a reproduction runs.
public struct Conditions: Sendable {
    /// One run of everything for each.
    public let seeds: [UInt64]
    /// The part of the method that is put out; `nil` for the whole method.
    public let missing: String?
    /// Where features of the frozen backbone are kept.
    public let store: FeatureStore
    public let workers: Int
    public let cancellation: CancellationFlag?
    public let report: @Sendable (TrainingSession.Event) -> Void

    /// - Parameter seeds: how many; they are 0, 1, 2, and so on.
    /// - Precondition: `seeds` and `workers` are positive.
    public init(
        seeds: Int, without missing: String? = nil, store: FeatureStore, workers: Int = MachineResources.allowedCores,
        cancellation: CancellationFlag? = nil, report: @escaping @Sendable (TrainingSession.Event) -> Void = { _ in }
    ) {
        self.seeds = (0..<UInt64(seeds)).map { $0 }
        (self.missing, self.store, self.workers, self.cancellation) = (missing, store, workers, cancellation)
        self.report = report
    }

    /// Whether a part of the method is there.
    public func has(_ part: String) -> Bool { missing != part }
}
