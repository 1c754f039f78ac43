import Dispatch
import Synchronization

/// One of several threads that each compute the same function of a slice of the batch, forward and backward.
///
/// Kernels run on one thread each; a batch is spread over cores by giving each lane a slice of it. What a lane
/// computes is recorded as the lane's own, and the backward pass runs lanes side by side again. Gradients that meet
/// (of shared weights) are added in the order of lanes, so that the same lanes give the same bits.
public struct Lane: Sendable {
    public let index: Int
    public let count: Int
    let meeting: LaneMeeting

    /// The lane that the calling thread computes, if any.
    static var current: Lane? { TapeScope.current?.lane }

    /// This lane's part of `total` things; the parts are consecutive and differ by at most one.
    public func share(of total: Int) -> Range<Int> { total * index / count..<total * (index + 1) / count }

    /// Hands `values` to all lanes and returns everybody's, in the order of lanes.
    ///
    /// Waits until all lanes of the group have called it as often as this one.
    func exchange(_ values: [Tensor]) -> [[Tensor]] { meeting.exchange(values, from: index) }
}

/// Calls `body` once for each lane, all at the same time, and returns the results in the order of lanes.
///
/// Within a lane there are no further lanes.
/// - Precondition: `count` is positive; every lane computes the same function, of slices of the same batch.
public func inLanes<Result: Sendable>(_ count: Int, _ body: @Sendable (Lane) -> Result) -> [Result] {
    require(count > 0, "lanes: \(count) is not a number of threads")
    require(Lane.current == nil, "lanes: already in one")
    let meeting = LaneMeeting(count: count)
    let results = Mutex([Result?](repeating: nil, count: count))
    meeting.run { lane in
        let result = body(lane)
        results.withLock { $0[lane.index] = result }
    }
    return results.withLock { $0.map { $0! } }
}

/// Where the lanes of one group meet.
final class LaneMeeting: Sendable {
    let count: Int

    private struct State {
        var brought: [[Tensor]?]
        var arrived = 0
        var taken: [[Tensor]] = []
    }
    private let state: Mutex<State>
    /// One for each lane: signalled when all have arrived.
    private let doors: [DispatchSemaphore]

    init(count: Int) {
        self.count = count
        state = Mutex(State(brought: .init(repeating: nil, count: count)))
        doors = (0..<count).map { _ in DispatchSemaphore(value: 0) }
    }

    /// Calls `body` for every lane on a thread of its own.
    func run(_ body: @Sendable (Lane) -> Void) {
        let scope = TapeScope.current ?? TapeScope()
        ThreadCrew.shared.run(count) { index in
            var scope = scope
            let lane = Lane(index: index, count: count, meeting: self)
            scope.lane = lane
            scope.during { body(lane) }
        }
    }

    func exchange(_ values: [Tensor], from index: Int) -> [[Tensor]] {
        let isLast = state.withLock { state in
            state.brought[index] = values.map(\.plain)
            state.arrived += 1
            guard state.arrived == count else { return false }
            // Nobody can come to the next meeting before having read this one's result.
            state.taken = state.brought.map { $0! }
            state.arrived = 0
            return true
        }
        if isLast {
            for (other, door) in doors.enumerated() where other != index { door.signal() }
        } else {
            doors[index].wait()
        }
        return state.withLock(\.taken)
    }
}
