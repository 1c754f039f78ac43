import PandoBranches

/// Chooses the compute level of requests that name none: lower as the queue grows, higher again when it is gone.
///
/// It goes down by a step as soon as those who wait would wait longer than `patience`, and up by a step when for a second
/// they would have waited less than a quarter of it.
struct ComputeController: Sendable {
    /// The levels it may choose, cheapest first.
    let levels: [ComputeLevel]
    /// How long an example may wait before it is worth less.
    let patience: Duration
    private var index: Int
    private var calmSince: ContinuousClock.Instant?

    /// Time of calm before a step up.
    private static let calmTime = Duration.seconds(1)

    /// - Precondition: there is a level, and they rise.
    init(levels: [ComputeLevel], patience: Duration) {
        (self.levels, self.patience, index) = (levels, patience, levels.count - 1)
    }

    var level: ComputeLevel { levels[index] }

    /// Takes note of how many examples wait and what one of them takes.
    mutating func observe(waiting: Int, timePerExample: Duration, at now: ContinuousClock.Instant) {
        let wait = timePerExample * waiting
        if wait > patience {
            index = max(0, index - 1)
            calmSince = nil
        } else if wait < patience / 4 {
            guard let since = calmSince else {
                calmSince = now
                return
            }
            if now - since >= Self.calmTime, index < levels.count - 1 {
                index += 1
                calmSince = now
            }
        } else {
            calmSince = nil
        }
    }
}
