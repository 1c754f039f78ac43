import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// What became of a request.
enum Answer: Sendable {
    case answered(status: Int, level: String?, body: ByteBuffer)
    case timedOut
    /// No connection, or one that broke.
    case failed(String)

    /// Sends one request and waits for all of its answer.
    static func to(_ request: HTTPClientRequest, by deadline: NIODeadline, from client: HTTPClient) async -> Answer {
        do {
            let response = try await client.execute(request, deadline: deadline)
            let body = try await response.body.collect(upTo: largestBody)
            return .answered(
                status: Int(response.status.code), level: response.headers.first(name: "X-Compute-Level"), body: body)
        } catch let error as HTTPClientError where timeouts.contains(error) {
            return .timedOut
        } catch {
            return .failed(reason(error))
        }
    }

    private static let largestBody = 1 << 26

    private static let timeouts: [HTTPClientError] = [
        .deadlineExceeded, .readTimeout, .writeTimeout, .getConnectionFromPoolTimeout,
    ]

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError: error.connectionErrors.first.map { reason($0.error) } ?? "no such host"
        case let error as IOError: String(cString: strerror(error.errnoCode)).lowercased()
        case let error as HTTPClientError: error.shortDescription.lowercased()
        default: String("\(error)".prefix(120))
        }
    }
}

/// What a server says in the JSON of an answer, as far as it is of interest here.
struct AnswerContent: Decodable {
    var milliseconds: [String: Double]?
    var error: String?

    /// Nil if it is no JSON of this kind: other servers may answer as they like.
    init?(_ body: ByteBuffer) {
        guard let content = try? JSONDecoder().decode(AnswerContent.self, from: Data(body.readableBytesView)) else { return nil }
        self = content
    }
}
