import Foundation
import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import UnixSignals

/// A bundle over HTTP: the plain interface, the Open Inference Protocol, metrics, and a page to look at.
public struct PandoServer: Sendable {
    /// Where it listens, and to whom.
    public struct Configuration: Sendable {
        public var host = "127.0.0.1"
        /// 0 for any that is free.
        public var port = 8080
        /// Files of a certificate chain and its private key, in PEM.
        public var certificate: (chain: URL, key: URL)?
        public var tokens: AccessTokens?
        /// How long it answers on after it was told to end, while balancers learn that it is not ready.
        public var drainDelay = Duration.zero
        /// Whether a changed bundle is loaded by itself.
        public var watchesBundle = true

        public init() {}
    }

    public let runtime: ServingRuntime
    public let configuration: Configuration
    private let logger: Logger

    public init(_ runtime: ServingRuntime, _ configuration: Configuration = Configuration(), logger: Logger) {
        (self.runtime, self.configuration, self.logger) = (runtime, configuration, logger)
    }

    /// The routes, as tests call them too.
    func responder() -> RouterResponder<ServingContext> {
        var routes = RouteTable()
        routes.router.add(middleware: RequestMiddleware(runtime: runtime, tokens: configuration.tokens, logger: logger))
        PlainRoutes(runtime: runtime).add(to: &routes)
        OpenInferenceRoutes(runtime: runtime).add(to: &routes)
        PageRoutes(runtime: runtime).add(to: &routes)
        return routes.router.buildResponder()
    }

    /// The whole server.
    /// - Parameter started: told of the port once connections are taken.
    /// - Throws: errors of the certificate's files.
    func application(_ started: @escaping @Sendable (Int) -> Void = { _ in }) throws -> some ApplicationProtocol {
        let limits = runtime.configuration.limits
        let http = HTTPServerBuilder.http1(
            configuration: .init(
                additionalChannelHandlers: [
                    RequestPatience(
                        headTime: .seconds(Int64(limits.headSeconds)), bodyTime: .seconds(Int64(limits.bodySeconds)),
                        refusedBytes: limits.bodyBytes)
                ],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 64 << 10, maxHeaderFieldCount: 128)))
        var server = http
        if let certificate = configuration.certificate {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate.chain.path).map { NIOSSLCertificateSource.certificate($0) }
            let key = try NIOSSLPrivateKey(file: certificate.key.path, format: .pem)
            server = try .tls(
                http, tlsConfiguration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
        }
        return Application(
            responder: responder(), server: server,
            configuration: .init(
                address: .hostname(configuration.host, port: configuration.port), serverName: "pando", backlog: 1024,
                reuseAddress: true, availableConnectionsDelegate: .maximum(limits.connections, logger: logger)),
            onServerRunning: { channel in started(channel.localAddress?.port ?? 0) }, logger: logger)
    }

    /// Serves until the process is told to end; then nothing new is taken, and what is under way is answered.
    ///
    /// - Throws: errors of the certificate's files and of the address.
    public func run(_ started: @escaping @Sendable (Int) -> Void) async throws {
        Self.raiseFileLimit()
        var services: [any Service] = [try application(started)]
        if configuration.watchesBundle { services.append(BundleWatch(runtime, logger: logger)) }
        services.append(Draining(runtime: runtime, delay: configuration.drainDelay))
        var group = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(runtime.configuration.limits.drainSeconds) + configuration.drainDelay
        try await ServiceGroup(configuration: group).run()
    }

    /// Every connection takes a file descriptor; the usual limit is too low for many.
    private static func raiseFileLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        // A limit that cannot be raised is still one to live with.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// The first to be told of the end: from then on the server says that it is not ready.
private struct Draining: Service {
    let runtime: ServingRuntime
    let delay: Duration

    func run() async throws {
        do { try await gracefulShutdown() } catch { return }
        runtime.drain()
        try? await Task.sleep(for: delay)
    }
}
