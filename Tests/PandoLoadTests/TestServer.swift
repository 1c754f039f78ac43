import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import PandoLoad
import Synchronization

/// A server on a free port of this machine that lives as long as a test needs it.
struct TestServer: Sendable {
    let port: Int

    /// - Parameters:
    ///   - answer: what becomes of the request of this number, counted from 0.
    ///   - body: gets the server once it listens.
    static func serve<Result: Sendable>(
        _ answer: @escaping @Sendable (_ number: Int) async throws -> Response,
        _ body: @escaping @Sendable (TestServer) async throws -> Result
    ) async throws -> Result {
        let server = Running(answer)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            return try await body(TestServer(port: await server.port()))
        }
    }

    func load(_ pace: Load.Pace, seconds: Double, bodies: [LoadBody] = LoadBody.texts(["a text"])) throws -> Load {
        Load(try LoadAddress("http://127.0.0.1:\(port)"), bodies: bodies, pace: pace, seconds: seconds)
    }

    /// Starts, tells its port, and runs until its task is cancelled.
    final class Running: Sendable {
        private let application: Application<RouterResponder<BasicRequestContext>>
        private let ports: AsyncStream<Int>

        init(_ answer: @escaping @Sendable (Int) async throws -> Response) {
            let (ports, told) = AsyncStream.makeStream(of: Int.self)
            self.ports = ports
            let count = Counter()
            let router = Router()
            router.post("/predict") { _, _ in try await answer(count.next()) }
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            application = Application(
                router: router, configuration: .init(address: .hostname("127.0.0.1", port: 0)),
                onServerRunning: { channel in told.yield(channel.localAddress?.port ?? 0) }, logger: logger)
        }

        func run() async throws { try await application.run() }

        func port() async -> Int {
            for await port in ports { return port }
            return 0
        }
    }
}

/// Counts up from 0.
final class Counter: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            defer { count += 1 }
            return count
        }
    }
}

extension Response {
    static func json(_ text: String, _ status: HTTPResponse.Status = .ok, level: String? = nil) -> Response {
        var headers: HTTPFields = [.contentType: "application/json"]
        if let level { headers[HTTPField.Name("X-Compute-Level")!] = level }
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}
