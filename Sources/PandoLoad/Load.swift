import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Requests to one server for some time, and what came of them.
///
/// An open loop sends at its rate whether or not answers have come, and counts latency from the moment a request was
/// due: a server that stalls is charged for every request that it kept from being sent, too. A closed loop's clients
/// each wait for their answer before they ask again, which finds what a server can do at most.
///
/// Memory is bounded: by the bodies, and by `connections`, which is how many requests can be under way.
/// - Source: Tene, wrk2 and HdrHistogram, on coordinated omission. There a thread holds many connections; here each
///   connection is a task of its own.
public struct Load: Sendable {
    public enum Pace: Sendable, Equatable {
        /// Requests a second.
        case open(rate: Double, Arrivals = .constant)
        case closed(clients: Int)
    }

    /// How far a load is.
    public struct Progress: Sendable {
        public var seconds: Double
        public var sent, accepted, refused, otherAnswers, failed: Int
    }

    public var address: LoadAddress
    /// Taken in turns.
    public var bodies: [LoadBody]
    public var pace: Pace
    /// In which requests are due.
    public var seconds: Double
    /// Requests that can be under way, in an open loop.
    public var connections = 256
    /// Whether every picture gets a comment of its own, so that a server which remembers its answers computes each all the
    /// same. Only JPEGs take one.
    public var areDistinct = false
    /// Seconds from when a request was due after which its answer does not matter any more.
    public var patience = 10.0

    public static let longestSeconds = 3600.0
    public static let mostConnections = 4096
    public static let highestRate = 100_000.0

    /// Seconds without any answer, but with errors, after which a server is taken for gone.
    private static let secondsUntilGone = 3.0
    /// Seconds that a client of a closed loop waits after it was refused.
    private static let pause = TimeAmount.milliseconds(10)
    /// Nobody sleeps longer without a look at whether the load was cancelled.
    private static let longestSleep = TimeAmount.milliseconds(250)

    public init(_ address: LoadAddress, bodies: [LoadBody], pace: Pace, seconds: Double) {
        (self.address, self.bodies, self.pace, self.seconds) = (address, bodies, pace, seconds)
    }

    /// Loads the server. One request is sent before, to see that it is there and understands.
    ///
    /// - Parameter onSecond: called about every second.
    /// - Throws: `LoadError`; `CancellationError` if the task was cancelled.
    public func run(onSecond: @escaping @Sendable (Progress) -> Void = { _ in }) async throws -> LoadReport {
        try check()
        return try await withClient { client in
            let run = Run(self, client)
            try await run.greet()
            return try await run.report(onSecond)
        }
    }

    /// Whether one request is answered with 200 in time.
    public func isAnswered() async throws -> Bool {
        try check()
        return try await withClient { client in
            if case .answered(200, _, _) = await Run(self, client).firstAnswer() { return true }
            return false
        }
    }

    private func withClient<Result: Sendable>(_ body: (HTTPClient) async throws -> Result) async throws -> Result {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(2), read: .nanoseconds(Int64(patience * 1e9))))
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = workers
        let client = HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: configuration)
        do {
            let result = try await body(client)
            try await client.shutdown()
            return result
        } catch {
            try await client.shutdown()
            throw error
        }
    }

    /// Tasks that send.
    private var workers: Int {
        switch pace {
        case .open: connections
        case .closed(let clients): clients
        }
    }

    private func check() throws(LoadError) {
        if bodies.isEmpty { throw .setting("there is nothing to send: name pictures or texts") }
        if areDistinct, !bodies.allSatisfy(\.isJPEG) { throw .setting("only JPEGs can be made distinct") }
        guard seconds > 0, seconds <= Self.longestSeconds else {
            throw .setting("a load takes more than 0 and at most 3600 seconds, not \(seconds)")
        }
        guard patience > 0, patience <= Self.longestSeconds else {
            throw .setting("the patience is more than 0 and at most 3600 seconds, not \(patience)")
        }
        guard (1...Self.mostConnections).contains(workers) else {
            throw .setting("1 to \(Self.mostConnections) requests can be under way, not \(workers)")
        }
        if case .open(let rate, _) = pace, !(rate > 0 && rate <= Self.highestRate) {
            throw .setting("the rate is more than 0 and at most 100000 requests a second, not \(rate)")
        }
    }

    /// One load under way.
    private struct Run: Sendable {
        private let load: Load
        private let client: HTTPClient
        private let requests: [HTTPClientRequest]
        private let eventLoop: any EventLoop
        private let patience: TimeAmount
        /// Tells this run's pictures from those of any other.
        private let mark = UInt64.random(in: 0...UInt64.max)

        init(_ load: Load, _ client: HTTPClient) {
            (self.load, self.client) = (load, client)
            requests = load.bodies.map { body in
                var request = HTTPClientRequest(url: load.address.url)
                request.method = .POST
                request.headers = ["Content-Type": body.contentType]
                request.body = .bytes(body.bytes)
                return request
            }
            eventLoop = client.eventLoopGroup.next()
            patience = .nanoseconds(Int64(load.patience * 1e9))
        }

        func firstAnswer() async -> Answer { await Answer.to(requests[0], by: .now() + patience, from: client) }

        /// Sees that the server is there, and that it takes such a request, be it later.
        func greet() async throws {
            let url = load.address.url
            switch await firstAnswer() {
            case .answered(let status, _, let body):
                guard [200, 429, 503, 504].contains(status) else {
                    throw LoadError.refused(url: url, status: status, message: AnswerContent(body)?.error ?? "no reason given")
                }
            case .timedOut: throw LoadError.unreachable(url: url, reason: "no answer within \(load.patience) s")
            case .failed(let reason): throw LoadError.unreachable(url: url, reason: reason)
            }
        }

        func report(_ onSecond: @escaping @Sendable (Progress) -> Void) async throws -> LoadReport {
            let start = NIODeadline.now()
            let tally = Tally(from: start)
            var timetable: Timetable?
            if case .open(let rate, let arrivals) = load.pace {
                timetable = Timetable(rate: rate, arrivals: arrivals, seconds: load.seconds, patience: load.patience)
            }
            // Whichever ends first ends the other: all work is done, or the server is gone.
            let end = try await withThrowingTaskGroup(of: NIODeadline.self) { [timetable] group in
                group.addTask {
                    try await watch(tally, from: start, onSecond)
                    return .now()
                }
                group.addTask {
                    await withTaskGroup(of: Void.self) { workers in
                        for worker in 0..<load.workers {
                            workers.addTask {
                                if let timetable {
                                    await work(timetable, tally, from: start)
                                } else {
                                    await work(as: worker, tally, from: start)
                                }
                            }
                        }
                    }
                    return .now()
                }
                defer { group.cancelAll() }
                return try await group.next() ?? .now()
            }
            try Task.checkCancellation()
            let elapsed = (end - start).seconds
            return LoadReport(load, requests: timetable?.counts, tally.snapshot, elapsed: max(elapsed, load.seconds))
        }

        /// Takes requests of the open loop from the timetable and sends each when it is due, or at once if it was.
        private func work(_ timetable: Timetable, _ tally: Tally, from start: NIODeadline) async {
            while !Task.isCancelled, let next = timetable.next(at: (NIODeadline.now() - start).seconds) {
                let due = start + .nanoseconds(Int64(next.due * 1e9))
                guard await sleep(until: due) else { return }
                _ = await send(next.number, due: due, tally)
            }
        }

        /// Sends one request after the other.
        private func work(as client: Int, _ tally: Tally, from start: NIODeadline) async {
            let end = start + .nanoseconds(Int64(load.seconds * 1e9))
            var number = client
            while !Task.isCancelled, NIODeadline.now() < end {
                let isAccepted = await send(number, due: .now(), tally)
                number += load.workers
                if !isAccepted { _ = await sleep(until: .now() + Load.pause) }
            }
        }

        /// Whether it was answered with 200.
        private func send(_ number: Int, due: NIODeadline, _ tally: Tally) async -> Bool {
            let body = load.bodies[number % requests.count]
            var request = requests[number % requests.count]
            if load.areDistinct { request.body = .bytes(body.commented([mark, UInt64(number)])) }
            tally.sent(bytes: body.bytes.readableBytes, late: .now() - due)
            let answer = await Answer.to(request, by: due + patience, from: client)
            if Task.isCancelled { return false }
            let now = NIODeadline.now()
            tally.record(answer, latency: now - due, at: now)
            if case .answered(200, _, _) = answer { return true }
            return false
        }

        /// By an event loop's timer: a task's own sleep is late by a millisecond.
        /// - Returns: false if the load was cancelled meanwhile.
        private func sleep(until deadline: NIODeadline) async -> Bool {
            while !Task.isCancelled {
                let now = NIODeadline.now()
                if now >= deadline { return true }
                let timer = eventLoop.scheduleTask(deadline: min(deadline, now + Load.longestSleep)) {}
                // A timer fails only with an event loop that is shut down, which this one never is.
                guard (try? await timer.futureResult.get()) != nil else { return false }
            }
            return false
        }

        /// Tells how far the load is, and ends it when the server is gone.
        private func watch(
            _ tally: Tally, from start: NIODeadline, _ onSecond: @Sendable (Progress) -> Void
        ) async throws {
            for second in 1... {
                guard await sleep(until: start + .seconds(Int64(second))) else { return }
                let state = tally.snapshot
                let silence = (NIODeadline.now() - state.lastAnswer).seconds
                if state.errorsInARow >= 3, silence >= Load.secondsUntilGone {
                    throw LoadError.gone(
                        url: load.address.url, seconds: silence, reason: state.messages["connection"] ?? "no answer")
                }
                let (accepted, refused) = (state.statuses[200] ?? 0, state.refusals)
                onSecond(
                    Progress(
                        seconds: (NIODeadline.now() - start).seconds, sent: state.sent, accepted: accepted,
                        refused: refused, otherAnswers: state.answered - accepted - refused,
                        failed: state.connectionErrors + state.timeouts))
            }
        }
    }
}

extension TimeAmount {
    fileprivate var seconds: Double { Double(nanoseconds) / 1e9 }
}
