import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// Stands around every request: names it, lets it in, turns what is thrown into an answer, counts and logs it.
struct RequestMiddleware: RouterMiddleware {
    typealias Context = ServingContext

    let runtime: ServingRuntime
    let tokens: AccessTokens?
    let logger: Logger

    /// What needs no token: whether the server is well, what it counts, and the page, which holds nothing of the bundle.
    private static let openPaths: Set<String> = [
        "/", "/page.css", "/page.js", "/openapi.json", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready",
    ]

    func handle(
        _ request: Request, context: ServingContext, next: (Request, ServingContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.requestID = request.headers[.requestID].flatMap(Self.sane) ?? UUID().uuidString.lowercased()
        var response: Response
        do {
            if let tokens, !Self.openPaths.contains(request.uri.path) {
                context.allowedTasks = try tokens.tasks(openedBy: request.headers[.authorization])
            }
            response = try await next(request, context)
        } catch {
            response = try Self.answer(to: error, path: request.uri.path)
            if response.status.code >= 500, response.status.code != 503, response.status.code != 504 {
                logger.error("request failed", metadata: ["id": "\(context.requestID)", "error": "\(error)"])
            }
        }
        response.headers[.requestID] = context.requestID
        response.headers[.xContentTypeOptions] = "nosniff"
        let time = ContinuousClock.now - context.arrival
        let aim = context.aim.value
        runtime.metrics.answered(aim, status: response.status.code, after: time)
        logger.debug(
            "request",
            metadata: [
                "id": "\(context.requestID)", "method": "\(request.method)", "path": "\(request.uri.path)",
                "status": "\(response.status.code)", "milliseconds": "\(time.milliseconds)", "asked": "\(aim)",
            ])
        return response
    }

    /// A client's name of a request, if it is one that can stand in a header and in a log.
    private static func sane(_ name: String) -> String? {
        (1...128).contains(name.utf8.count) && name.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? name : nil
    }

    private struct Body: Encodable { let error: String }

    private static func answer(to error: any Error, path: String) throws -> Response {
        let (status, text): (Int, String)
        var headers: HTTPFields = [:]
        switch error {
        case let error as ServingError:
            (status, text) = (error.status, error.description)
            if let seconds = error.retryAfter { headers[.retryAfter] = "\(seconds)" }
            if status == 401 { headers[.wwwAuthenticate] = "Bearer" }
        case let error as MethodRefusal:
            (status, text) = (405, "\(path) takes \(error.allowed)")
            headers[.allow] = error.allowed
        case let error as HTTPError:
            status = error.status.code
            text = status == 404 ? "there is no \(path); GET /openapi.json lists what there is" : error.body ?? "\(error.status)"
        default: (status, text) = (500, "the server failed; its log says why")
        }
        var response = try Response.json(Body(error: text), status: .init(code: status))
        for field in headers { response.headers[field.name] = field.value }
        return response
    }
}
