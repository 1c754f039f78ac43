import PandoBackbones
import PandoTensor

extension Elastic {
    /// What operating points take on this machine, in milliseconds of one pass over `features`, compiled.
    ///
    /// Every point runs once to warm up, then all take turns; the fastest turn counts, since others on the machine can only
    /// make a turn slower.
    /// - Parameters:
    ///   - rounds: turns of each point.
    ///   - threads: that compute a pass together.
    /// - Precondition: `rounds` is positive.
    public func milliseconds(
        at points: [OperatingPoint], on features: Features, precision: ElementType = .float32, rounds: Int = 7,
        threads: Int = 1
    ) -> [Double] {
        require(rounds > 0, "milliseconds: \(rounds) rounds, expected at least one")
        let compiled = points.map { FrozenSharing(running(at: $0), precision: precision) }
        for sharing in compiled { _ = sharing(features, threads: threads) }
        var fastest = points.map { _ in Double.infinity }
        let clock = ContinuousClock()
        for _ in 0..<rounds {
            for (index, sharing) in compiled.enumerated() {
                let time = clock.measure { _ = sharing(features, threads: threads) }
                fastest[index] = min(fastest[index], time / .milliseconds(1))
            }
        }
        return fastest
    }

    /// The costs and metrics of the operating points.
    ///
    /// - Parameters:
    ///   - features: of some examples, for measuring time.
    ///   - metrics: each task's metric on validation of the policy as it runs at a point, higher is better.
    /// - Throws: `ComputeError`, as `CostTable`, and what `metrics` throws.
    public func costTable(
        on features: Features, precision: ElementType = .float32, rounds: Int = 7, threads: Int = 1,
        metrics: (any Sharing) throws -> [Double]
    ) throws -> CostTable {
        let points = operatingPoints
        let times = milliseconds(at: points, on: features, precision: precision, rounds: rounds, threads: threads)
        return try CostTable(
            zip(points, times).map { point, time in
                CostTable.Entry(point: point, milliseconds: time, metrics: try metrics(running(at: point)))
            }, fullMilliseconds: times[points.count - 1])
    }
}
