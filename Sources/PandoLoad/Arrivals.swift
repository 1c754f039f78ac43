import Foundation
import NIOCore
import Synchronization

/// How requests follow each other at a rate.
public enum Arrivals: String, Sendable, Codable, CaseIterable {
    /// At even distances.
    case constant
    /// As if from many people who know nothing of each other: exponential distances.
    case poisson

    /// Seconds from the start to the request after `count` others, of which the last was due at `last`.
    func due(after count: Int, last: Double, rate: Double, using generator: inout some RandomNumberGenerator) -> Double {
        switch self {
        case .constant: Double(count) / rate
        case .poisson: last - log(1 - Double.random(in: 0..<1, using: &generator)) / rate
        }
    }
}

/// The requests of an open loop, in the order in which they are due: whoever is free takes the next one.
///
/// Nothing is kept of a request that nobody could send in time but its count, so a server that falls behind costs no
/// memory.
final class Timetable: Sendable {
    private struct State {
        var taken = 0
        var late = 0
        var next: Double
    }

    private let rate: Double
    private let arrivals: Arrivals
    private let seconds: Double
    /// Seconds after which a request that was due is not sent any more.
    private let patience: Double
    private let state: Mutex<State>

    init(rate: Double, arrivals: Arrivals, seconds: Double, patience: Double) {
        (self.rate, self.arrivals, self.seconds, self.patience) = (rate, arrivals, seconds, patience)
        var generator = SystemRandomNumberGenerator()
        state = Mutex(State(next: arrivals.due(after: 0, last: 0, rate: rate, using: &generator)))
    }

    /// Of all requests that were due, how many there were, and how many of them were not sent in time.
    var counts: (due: Int, late: Int) { state.withLock { ($0.taken, $0.late) } }

    /// When the next request is due, in seconds from the start, and its number; nil when there is none left.
    ///
    /// - Parameter now: seconds from the start. Once the time is over, what was due before and was not taken is late.
    func next(at now: Double) -> (due: Double, number: Int)? {
        state.withLock { state in
            var generator = SystemRandomNumberGenerator()
            while state.next < seconds {
                let (due, number) = (state.next, state.taken)
                state.taken += 1
                state.next = arrivals.due(after: state.taken, last: due, rate: rate, using: &generator)
                if now < seconds && now - due <= patience { return (due, number) }
                state.late += 1
            }
            return nil
        }
    }
}
