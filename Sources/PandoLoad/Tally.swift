import Histogram
import NIOCore
import Synchronization

/// Counts what became of requests. What it holds does not grow with their number.
final class Tally: Sendable {
    struct State: Sendable {
        var sent = 0
        var statuses: [Int: Int] = [:]
        var timeouts = 0
        var connectionErrors = 0
        /// Connection errors since somebody answered.
        var errorsInARow = 0
        /// The last time that somebody answered.
        var lastAnswer: NIODeadline
        /// One sentence for each status that has one, and for connection errors.
        var messages: [String: String] = [:]
        var bytesSent = 0
        var bytesReceived = 0
        var levels: [String: Int] = [:]
        var accepted = Tally.histogram()
        var refused = Tally.histogram()
        var lateness = Tally.histogram()
        var phases: [String: Histogram<UInt32>] = [:]
        var phasesRead = 0

        var answered: Int { statuses.values.reduce(0, +) }
        var refusals: Int { (statuses[429] ?? 0) + (statuses[503] ?? 0) }
    }

    private let state: Mutex<State>

    init(from start: NIODeadline) { state = Mutex(State(lastAnswer: start)) }

    var snapshot: State { state.withLock { $0 } }

    /// - Parameter late: how long after it was due.
    func sent(bytes: Int, late: TimeAmount) {
        state.withLock { state in
            state.sent += 1
            state.bytesSent += bytes
            state.lateness.record(late)
        }
    }

    /// - Parameter latency: from when the request was due until now.
    func record(_ answer: Answer, latency: TimeAmount, at now: NIODeadline) {
        state.withLock { state in
            switch answer {
            case .timedOut: state.timeouts += 1
            case .failed(let reason):
                state.connectionErrors += 1
                state.errorsInARow += 1
                state.messages["connection"] = reason
            case .answered(let status, let level, let body):
                state.statuses[status, default: 0] += 1
                state.errorsInARow = 0
                state.lastAnswer = now
                state.bytesReceived += body.readableBytes
                if let level, state.levels[level] != nil || state.levels.count < Self.mostNames {
                    state.levels[level, default: 0] += 1
                }
                switch status {
                case 200:
                    state.accepted.record(latency)
                    if (state.statuses[200] ?? 0) % Self.phasesEvery == 1 { state.readPhases(of: body) }
                case 429, 503: state.refused.record(latency)
                default: break
                }
                if status != 200, state.messages["\(status)"] == nil {
                    state.messages["\(status)"] = AnswerContent(body)?.error ?? ""
                }
            }
        }
    }

    /// Of answers with 200, one in so many is parsed.
    private static let phasesEvery = 8
    /// A server cannot make us hold more different names than this.
    fileprivate static let mostNames = 32

    /// Microseconds, three digits, up to more than an hour.
    fileprivate static func histogram() -> Histogram<UInt32> {
        Histogram(highestTrackableValue: largest, numberOfSignificantValueDigits: .three)
    }

    fileprivate static let largest: UInt64 = 4_000_000_000
}

extension Tally.State {
    fileprivate mutating func readPhases(of body: ByteBuffer) {
        guard let phases = AnswerContent(body)?.milliseconds else { return }
        phasesRead += 1
        for (name, milliseconds) in phases where self.phases[name] != nil || self.phases.count < Tally.mostNames {
            let microseconds = milliseconds.isFinite ? min(max(milliseconds, 0) * 1000, Double(Tally.largest)) : 0
            self.phases[name, default: Tally.histogram()].record(UInt64(microseconds))
        }
    }
}

extension Histogram {
    /// In microseconds, at most what the histogram holds.
    fileprivate mutating func record(_ time: TimeAmount) {
        record(Swift.min(UInt64(Swift.max(time.nanoseconds, 0)) / 1000, highestTrackableValue))
    }

    /// In milliseconds; nil if there are none.
    func milliseconds(at percentile: Double) -> Double? {
        totalCount == 0 ? nil : Double(valueAtPercentile(percentile)) / 1000
    }
}
