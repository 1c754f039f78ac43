import HTTPTypes
import Hummingbird
import NIOCore

/// The page, the description of the interface, and the metrics.
struct PageRoutes: Sendable {
    let runtime: ServingRuntime

    /// The page loads and sends nothing elsewhere; pictures that were dropped on it are shown from memory.
    private static let contentPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    func add(to routes: inout RouteTable) {
        routes.add("", [.get: { _, context in Self.page(PackageResources.page_html, "text/html; charset=utf-8", context) }])
        routes.add(
            "page.css", [.get: { _, context in Self.page(PackageResources.page_css, "text/css; charset=utf-8", context) }])
        routes.add(
            "page.js", [.get: { _, context in Self.page(PackageResources.page_js, "text/javascript; charset=utf-8", context) }])
        routes.add(
            "openapi.json", [.get: { _, context in Self.page(PackageResources.openapi_json, "application/json", context) }])
        routes.add("metrics", [.get: metrics])
    }

    private static func page(_ bytes: [UInt8], _ type: String, _ context: ServingContext) -> Response {
        context.aim.value = "page"
        var response = Response.file(bytes, type: type)
        response.headers[.contentSecurityPolicy] = contentPolicy
        return response
    }

    @Sendable private func metrics(_ request: Request, _ context: ServingContext) -> Response {
        context.aim.value = "metrics"
        return Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: .init(byteBuffer: ByteBuffer(string: runtime.metricsText())))
    }
}
