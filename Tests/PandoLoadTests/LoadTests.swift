import Foundation
import Hummingbird
import Synchronization
import Testing

@testable import PandoLoad

/// Each in a process of its own: other tests would keep the threads that clocks and answers wait for.
@Suite struct LoadTests {
    @Test func `an open loop keeps its rate`() async throws {
        await #expect(processExitsWith: .success) {
            let report = try await TestServer.serve { _ in .json("{}") } _: { server in
                try await server.load(.open(rate: 100), seconds: 1).run()
            }
            #expect(report.due == 100)
            #expect(report.sent == 100)
            #expect(report.notSentInTime == 0)
            #expect(report.statuses == [200: 100])
            #expect(report.latency?.count == 100)
            #expect(report.achievedRate == 100)
            #expect(report.elapsed >= 0.99)
            #expect(report.bytesSent == 600)
            #expect(report.bytesReceived == 200)
        }
    }

    @Test func `a server that stalls once is charged for the requests that it kept waiting`() async throws {
        await #expect(processExitsWith: .success) {
            let stall = Mutex<ContinuousClock.Instant?>(nil)
            let report = try await TestServer.serve { number in
                if number == 40 { stall.withLock { $0 = .now + .seconds(0.5) } }
                if let end = stall.withLock({ $0 }) { try await Task.sleep(until: end) }
                return .json("{}")
            } _: { server in
                // Four requests at a time: only those four would look slow if latency were counted from when they are
                // sent.
                var load = try server.load(.open(rate: 200), seconds: 1.5)
                load.connections = 4
                return try await load.run()
            }
            let latency = try #require(report.latency)
            #expect(report.statuses == [200: report.sent])
            #expect(latency.p99 >= 300)
            #expect(latency.p90 >= 50)
            #expect(try #require(report.sentLate) >= 300)
        }
    }

    @Test func `refusals are counted apart`() async throws {
        await #expect(processExitsWith: .success) {
            let report = try await TestServer.serve { number in
                if number % 2 == 1 { return .json(#"{"error":"the queue is full"}"#, .tooManyRequests) }
                try await Task.sleep(for: .seconds(1))
                return .json("{}")
            } _: { server in
                try await server.load(.open(rate: 60), seconds: 1).run()
            }
            #expect(report.statuses.values.reduce(0, +) == 60)
            #expect(report.statuses[429] == 30)
            #expect(report.latency?.count == 30)
            #expect(report.refusals?.count == 30)
            #expect(try #require(report.latency).p50 >= 999)
            #expect(try #require(report.refusals).p50 < 999)
            #expect(report.messages == ["429": "the queue is full"])
            #expect(abs(report.goodput - 30 / report.elapsed) < 0.01)
        }
    }

    @Test func `a closed loop asks again when it is answered`() async throws {
        await #expect(processExitsWith: .success) {
            let report = try await TestServer.serve { _ in
                try await Task.sleep(for: .seconds(0.05))
                return .json("{}")
            } _: { server in
                try await server.load(.closed(clients: 4), seconds: 1).run()
            }
            let count = try #require(report.statuses[200])
            #expect(count >= 4 && count <= 80)
            #expect(report.clients == 4)
            #expect(report.askedRate == nil)
            #expect(try #require(report.latency).p50 >= 50)
        }
    }

    @Test func `what the server says of its phases and levels is told`() async throws {
        await #expect(processExitsWith: .success) {
            let report = try await TestServer.serve { number in
                .json(#"{"milliseconds":{"backbone":6.5,"total":8}}"#, level: number % 2 == 0 ? "1" : "0.5")
            } _: { server in
                try await server.load(.open(rate: 100), seconds: 0.5).run()
            }
            #expect(abs(try #require(report.serverMilliseconds["backbone"]) - 6.5) < 0.05)
            #expect(abs(try #require(report.serverMilliseconds["total"]) - 8) < 0.05)
            #expect(report.levels == ["1": 25, "0.5": 25])
        }
    }

    @Test func `no more requests are under way than connections, and the others are counted`() async throws {
        await #expect(processExitsWith: .success) {
            let under = Mutex(0)
            let most = Mutex(0)
            let report = try await TestServer.serve { number in
                guard number > 0 else { return .json("{}") }
                let now = under.withLock { under in
                    under += 1
                    return under
                }
                most.withLock { $0 = max($0, now) }
                defer { under.withLock { $0 -= 1 } }
                try await Task.sleep(for: .seconds(0.4))
                return .json("{}")
            } _: { server in
                var load = try server.load(.open(rate: 500), seconds: 1)
                load.connections = 8
                return try await load.run()
            }
            #expect(most.withLock { $0 } <= 8)
            #expect(report.due == 500)
            #expect(report.sent + report.notSentInTime == 500)
            #expect(report.notSentInTime >= 400)
        }
    }

    @Test func `answers that come too late are timeouts`() async throws {
        await #expect(processExitsWith: .success) {
            let report = try await TestServer.serve { number in
                if number > 0 { try await Task.sleep(for: .seconds(10)) }
                return .json("{}")
            } _: { server in
                var load = try server.load(.open(rate: 20), seconds: 0.5)
                load.patience = 4
                return try await load.run()
            }
            #expect(report.timeouts == 10)
            #expect(report.statuses.isEmpty)
            #expect(report.latency == nil)
            #expect(report.goodput == 0)
        }
    }

    @Test func `a server that is not there is one clear error`() async throws {
        await #expect(processExitsWith: .success) {
            let port = try await TestServer.serve { _ in .json("{}") } _: { $0.port }
            let url = "http://127.0.0.1:\(port)/predict"
            await #expect(throws: LoadError.unreachable(url: url, reason: "connection refused")) {
                try await TestServer(port: port).load(.open(rate: 10), seconds: 1).run()
            }
        }
    }

    @Test func `a server that dies ends the load with one clear error`() async throws {
        await #expect(processExitsWith: .success) {
            let server = TestServer.Running { _ in .json("{}") }
            let serving = Task { try await server.run() }
            let load = try TestServer(port: await server.port()).load(.open(rate: 50), seconds: 60)
            let error = await #expect(throws: LoadError.self) {
                try await load.run { progress in
                    if progress.seconds < 1.5 { serving.cancel() }
                }
            }
            guard case .gone(_, let seconds, _) = try #require(error) else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(seconds >= 3 && seconds < 30)
        }
    }

    @Test func `a server that does not understand is told before the load`() async throws {
        await #expect(processExitsWith: .success) {
            await #expect(throws: LoadError.self) {
                try await TestServer.serve { _ in .json(#"{"error":"no such task"}"#, .badRequest) } _: { server in
                    do {
                        _ = try await server.load(.open(rate: 10), seconds: 1).run()
                    } catch let error as LoadError {
                        #expect("\(error)".hasSuffix("/predict answers 400: no such task"))
                        throw error
                    }
                }
            }
        }
    }

    @Test func `steps take shares of the saturation`() async throws {
        await #expect(processExitsWith: .success) {
            let steps = try await TestServer.serve { _ in
                try await Task.sleep(for: .seconds(0.05))
                return .json("{}")
            } _: { server in
                try await server.load(.closed(clients: 1), seconds: 0.5).steps(shares: [0.1, 0.5])
            }
            #expect(steps.steps.map(\.share) == [0.1, 0.5])
            for step in steps.steps { #expect(step.report.askedRate == steps.saturation.goodput * step.share) }
        }
    }

    @Test(arguments: [0, -1, Double.nan, .infinity])
    func `a rate must be positive`(rate: Double) async throws {
        await #expect(throws: LoadError.self) { try await TestServer(port: 1).load(.open(rate: rate), seconds: 1).run() }
    }

    @Test(arguments: [0, -1, Double.nan, 3601])
    func `the time is bounded`(seconds: Double) async throws {
        await #expect(throws: LoadError.self) {
            try await TestServer(port: 1).load(.open(rate: 1), seconds: seconds).run()
        }
    }
}
