import HTTPTypes
import Hummingbird

/// The server's routes: a known path with another method is refused as such, with the methods there are.
struct RouteTable {
    typealias Handler = @Sendable (Request, ServingContext) async throws -> Response

    let router = Router(context: ServingContext.self, options: .autoGenerateHeadEndpoints)

    private static let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete, .options, .trace, .connect]

    /// - Parameter path: as the router takes it: `v2/models/:model`.
    func add(_ path: String, _ handlers: [HTTPRequest.Method: Handler]) {
        let path = RouterPath(path)
        for (method, handler) in handlers { router.on(path, method: method, use: handler) }
        var allowed = handlers.keys.map(\.rawValue).sorted()
        if handlers[.get] != nil { allowed.append("HEAD") }
        let list = allowed.joined(separator: ", ")
        var others = Self.methods.filter { handlers[$0] == nil }
        if handlers[.get] == nil { others.append(.head) }
        for method in others {
            router.on(path, method: method) { _, _ -> Response in throw MethodRefusal(allowed: list) }
        }
    }
}

/// A path is known, its method not.
struct MethodRefusal: Error {
    /// The methods there are, separated by commas.
    let allowed: String
}
