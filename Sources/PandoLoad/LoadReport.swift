import Histogram

/// What a load found out. Times are in milliseconds.
public struct LoadReport: Sendable, Codable {
    /// How long answers took, from when their requests were due.
    public struct Latency: Sendable, Codable {
        public var count: Int
        public var p50, p90, p99, p999, maximum: Double

        /// Nil if there are none.
        init?(_ histogram: Histogram<UInt32>) {
            guard let p50 = histogram.milliseconds(at: 50), let p90 = histogram.milliseconds(at: 90),
                let p99 = histogram.milliseconds(at: 99), let p999 = histogram.milliseconds(at: 99.9)
            else { return nil }
            count = Int(histogram.totalCount)
            (self.p50, self.p90, self.p99, self.p999) = (p50, p90, p99, p999)
            maximum = Double(histogram.max) / 1000
        }
    }

    public var url: String
    /// Clients of a closed loop.
    public var clients: Int?
    /// Requests a second asked for, of an open loop.
    public var askedRate: Double?
    public var arrivals: Arrivals?
    /// In which requests were due, and from the first of them to the last answer.
    public var seconds, elapsed: Double
    /// Requests that were due, that were sent, and that found no free connection in time.
    public var due, sent, notSentInTime: Int
    /// Requests sent a second.
    public var achievedRate: Double
    /// Answers with 200 a second.
    public var goodput: Double
    /// Answers by status.
    public var statuses: [Int: Int]
    public var connectionErrors, timeouts: Int
    /// The first sentence that came with a status, or the last reason under `connection`.
    public var messages: [String: String]
    /// Of answers with 200.
    public var latency: Latency?
    /// Of answers with 429 or 503.
    public var refusals: Latency?
    /// 99 % of the requests were sent at most so long after they were due.
    public var sentLate: Double?
    public var bytesSent, bytesReceived: Int
    /// Medians of what the server says of a sample of its answers, by phase.
    public var serverMilliseconds: [String: Double]
    /// Answers by compute level.
    public var levels: [String: Int]

    /// - Parameter requests: those of an open loop.
    init(_ load: Load, requests: (due: Int, late: Int)?, _ state: Tally.State, elapsed: Double) {
        url = load.address.url
        switch load.pace {
        case .closed(let clients): self.clients = clients
        case .open(let rate, let arrivals): (askedRate, self.arrivals) = (rate, arrivals)
        }
        seconds = load.seconds
        self.elapsed = elapsed
        sent = state.sent
        due = requests?.due ?? state.sent
        notSentInTime = requests?.late ?? 0
        achievedRate = Double(state.sent) / load.seconds
        statuses = state.statuses
        goodput = Double(state.statuses[200] ?? 0) / elapsed
        (connectionErrors, timeouts) = (state.connectionErrors, state.timeouts)
        messages = state.messages.filter { !$0.value.isEmpty }
        latency = Latency(state.accepted)
        refusals = Latency(state.refused)
        sentLate = state.lateness.milliseconds(at: 99)
        (bytesSent, bytesReceived) = (state.bytesSent, state.bytesReceived)
        serverMilliseconds = state.phases.compactMapValues { $0.milliseconds(at: 50) }
        levels = state.levels
    }
}
