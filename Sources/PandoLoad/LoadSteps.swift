/// What a server can do at most, and how it does at shares of that.
public struct LoadSteps: Sendable, Codable {
    public struct Step: Sendable, Codable {
        /// Of the saturation.
        public var share: Double
        public var report: LoadReport
    }

    /// Answers with 200 a second, in a closed loop.
    public var saturation: LoadReport
    public var steps: [Step]

    public static let shares = [0.1, 0.5, 0.8, 0.95, 1, 3]
}

extension Load {
    /// The same at another pace.
    public func paced(_ pace: Pace, seconds: Double? = nil) -> Load {
        var copy = self
        copy.pace = pace
        copy.seconds = seconds ?? self.seconds
        return copy
    }

    /// The best of several runs of a closed loop, each of at most 8 seconds.
    public func saturation(
        clients: Int = 16, runs: Int = 2, onSecond: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws -> LoadReport {
        let closed = paced(.closed(clients: clients), seconds: min(seconds, 8))
        var best = try await closed.run(onSecond: onSecond)
        for _ in 1..<max(runs, 1) {
            let report = try await closed.run(onSecond: onSecond)
            if report.goodput > best.goodput { best = report }
        }
        return best
    }

    /// Finds the saturation, then runs an open loop at each share of it.
    ///
    /// - Parameter onStep: called before each share, and with nil before the saturation.
    /// - Throws: also if no request is answered with 200.
    public func steps(
        shares: [Double] = LoadSteps.shares, arrivals: Arrivals = .constant,
        onStep: @Sendable (Double?) -> Void = { _ in }, onSecond: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws -> LoadSteps {
        onStep(nil)
        let saturation = try await saturation(onSecond: onSecond)
        guard saturation.goodput > 0 else {
            throw LoadError.setting("\(address.url) answers no request with 200, so there is no saturation to take shares of")
        }
        var found = LoadSteps(saturation: saturation, steps: [])
        for share in shares {
            onStep(share)
            let load = paced(.open(rate: saturation.goodput * share, arrivals))
            found.steps.append(.init(share: share, report: try await load.run(onSecond: onSecond)))
        }
        return found
    }
}
