import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import PandoTestSupport
import PandoTraining
import Testing

@testable import PandoServing

@Suite struct HTTPTests {
    /// A server on a port of its own for the time of `body`.
    private func served(
        elastic: Bool = false, _ change: (inout ServingRuntime.Configuration) -> Void = { _ in },
        tokens: String? = nil, _ body: @escaping @Sendable (any TestClientProtocol, ServingRuntime) async throws -> Void
    ) async throws {
        let fixture = try await ServedFixture(elastic: elastic, change)
        var configuration = PandoServer.Configuration()
        configuration.port = 0
        if let tokens {
            let file = fixture.folder.url.appendingPathComponent("tokens")
            try Data(tokens.utf8).write(to: file)
            configuration.tokens = try AccessTokens(file: file)
        }
        let runtime = fixture.runtime
        let server = PandoServer(runtime, configuration, logger: ServedFixture.logger)
        try await server.application().test(.live) { client in try await body(client, runtime) }
    }

    private func json(_ response: TestResponse) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(response.body.readableBytesView)) as? [String: Any])
    }

    private func tasks(_ response: TestResponse, _ number: Int = 0) throws -> [String: Any] {
        let predictions = try #require(try json(response)["predictions"] as? [[String: Any]])
        return try #require(predictions[number]["tasks"] as? [String: Any])
    }

    private func error(_ response: TestResponse) throws -> String { try #require(try json(response)["error"] as? String) }

    @Test func `a picture's bytes are answered by every task`() async throws {
        let picture = ByteBuffer(bytes: try SmallBundle.picture(1))
        try await served { client, runtime in
            let response = try await client.execute(
                uri: "/predict?top=2", method: .post, headers: [.requestID: "my-request"], body: picture)
            #expect(response.status == .ok)
            #expect(response.headers[.requestID] == "my-request")
            #expect(response.headers[.computeLevel] == "1")
            let answers = try tasks(response)
            #expect(Set(answers.keys) == ["kind", "marks", "size"])
            #expect((answers["kind"] as? [[String: Any]])?.count == 2)
            #expect(answers["size"] is Double)
            #expect(try json(response)["version"] as? String == runtime.served?.version)
            let one = try await client.execute(uri: "/predict?tasks=size", method: .post, body: picture)
            #expect(try tasks(one).keys.sorted() == ["size"])
            let metrics = try await client.execute(uri: "/metrics", method: .get)
            let text = String(buffer: metrics.body)
            #expect(text.contains(#"pando_requests_total{asked="all",status="200"} 1"#))
            #expect(text.contains(#"pando_requests_total{asked="size",status="200"} 1"#))
            #expect(text.contains("pando_batch_size_count 2"))
            #expect(text.contains(#"pando_phase_seconds_count{phase="backbone"} 2"#))
        }
    }

    @Test func `a form of several files is one request, each answered under its name`() async throws {
        var body = Data()
        for number in 1...2 {
            body += Data("--edge\r\nContent-Disposition: form-data; name=\"image\"; filename=\"\(number).png\"\r\n\r\n".utf8)
            body += try SmallBundle.picture(number) + Data("\r\n".utf8)
        }
        body += Data("--edge--\r\n".utf8)
        let buffer = ByteBuffer(bytes: body)
        try await served { client, _ in
            let response = try await client.execute(
                uri: "/predict", method: .post, headers: [.contentType: "multipart/form-data; boundary=edge"], body: buffer)
            #expect(response.status == .ok)
            let predictions = try #require(try json(response)["predictions"] as? [[String: Any]])
            #expect(predictions.map { $0["input"] as? String } == ["1.png", "2.png"])
            let broken = try await client.execute(
                uri: "/predict", method: .post, headers: [.contentType: "multipart/form-data; boundary=edge"],
                body: ByteBuffer(buffer.readableBytesView.dropLast(30)))
            #expect(broken.status == .badRequest)
            #expect(try error(broken).contains("breaks off"))
        }
    }

    @Test(arguments: [
        ("/predict?tasks=kinds", 404, "kind"), ("/predict?compute=2", 400, "compute"), ("/predict?compute=nan", 400, "compute"),
        ("/predict?top=0", 400, "top"), ("/predict?top=many", 400, "top"), ("/predict?timeout=-1", 400, "timeout"),
        ("/predict?task=kind", 400, "tasks"), ("/nothing", 404, "openapi"), ("/v2/models/none/infer", 404, "none"),
        ("/v2/models/kind/versions/2/infer", 404, "version"), ("/v2/models/..%2f..%2fetc/infer", 404, "not found"),
    ])
    func `a request that cannot be answered gets a sentence`(uri: String, status: Int, word: String) async throws {
        let picture = ByteBuffer(bytes: try SmallBundle.picture(1))
        try await served { client, _ in
            let response = try await client.execute(uri: uri, method: .post, body: picture)
            #expect(response.status.code == status)
            #expect(try error(response).contains(word))
        }
    }

    @Test func `a known path with another method is refused with the methods there are`() async throws {
        try await served { client, _ in
            let response = try await client.execute(uri: "/predict", method: .get)
            #expect(response.status == .methodNotAllowed)
            #expect(response.headers[.allow] == "POST")
            let head = try await client.execute(uri: "/tasks", method: .head)
            #expect(head.status == .ok && head.body.readableBytes == 0)
        }
    }

    @Test func `bodies are bounded, compressed ones by what comes out`() async throws {
        let bomb = try #require(Data(base64Encoded: Self.zerosAsGzip))
        try await served({ $0.limits.bodyBytes = 100_000 }) { client, _ in
            let large = try await client.execute(
                uri: "/predict", method: .post, body: ByteBuffer(repeating: 1, count: 100_001))
            #expect(large.status == .contentTooLarge)
            let inflated = try await client.execute(
                uri: "/predict", method: .post, headers: [.contentEncoding: "gzip"], body: ByteBuffer(bytes: bomb))
            #expect(inflated.status == .contentTooLarge)
            let damaged = try await client.execute(
                uri: "/predict", method: .post, headers: [.contentEncoding: "deflate"], body: ByteBuffer(bytes: bomb))
            #expect(damaged.status == .badRequest)
            let unknown = try await client.execute(
                uri: "/predict", method: .post, headers: [.contentEncoding: "br"], body: ByteBuffer(bytes: bomb))
            #expect(unknown.status.code == 415)
        }
    }

    @Test func `tokens open their tasks, and only * opens the repository`() async throws {
        let picture = ByteBuffer(bytes: try SmallBundle.picture(1))
        let tokens = "# operators\noperator-0123456789 *\nreader-0123456789abc size,marks\n"
        try await served(tokens: tokens) { client, _ in
            func status(_ uri: String, _ token: String?, method: HTTPRequest.Method) async throws -> Int {
                let headers: HTTPFields = token.map { [.authorization: "Bearer \($0)"] } ?? [:]
                return try await client.execute(uri: uri, method: method, headers: headers, body: picture).status.code
            }
            let (controller, reader) = ("operator-0123456789", "reader-0123456789abc")
            let cases: [(uri: String, token: String?, method: HTTPRequest.Method, status: Int)] = [
                ("/predict", nil, .post, 401), ("/predict", "no-such-token-0123", .post, 401),
                ("/predict?tasks=kind", reader, .post, 403), ("/predict?tasks=size", reader, .post, 200),
                ("/predict?tasks=kind", controller, .post, 200), ("/v2/repository/models/kind/unload", reader, .post, 403),
                ("/v2/repository/models/kind/unload", controller, .post, 200), ("/v2/health/ready", nil, .get, 200),
            ]
            for (uri, token, method, expected) in cases {
                let found = try await status(uri, token, method: method)
                #expect(found == expected, "\(uri)")
            }
            let all = try await client.execute(
                uri: "/predict", method: .post, headers: [.authorization: "Bearer reader-0123456789abc"], body: picture)
            #expect(try tasks(all).keys.sorted() == ["marks", "size"])
        }
    }

    @Test func `the document, the page and its files are served with their types`() async throws {
        try await served { client, _ in
            for (uri, type) in [
                ("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript"), ("/openapi.json", "application/json"),
            ] {
                let response = try await client.execute(uri: uri, method: .get)
                #expect(response.status == .ok)
                #expect(response.headers[.contentType]?.hasPrefix(type) == true)
                #expect(response.body.readableBytes > 1000)
                #expect(response.headers[.contentSecurityPolicy]?.contains("default-src 'none'") == true)
            }
        }
    }

    /// 400,000 zeros as `gzip -9n` packs them.
    private static let zerosAsGzip =
        "H4sIAAAAAAAC/+3BMQEAAADCoPVPbQo/oAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAOBvcT1ZXoAaBgA="
}
