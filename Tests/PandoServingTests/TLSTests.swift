import Foundation
import Hummingbird
import HummingbirdTesting
import NIOCore
import PandoTestSupport
import Testing

@testable import PandoServing

@Suite struct TLSTests {
    @Test func `with a certificate the server speaks TLS`() async throws {
        let fixture = try await ServedFixture()
        var configuration = PandoServer.Configuration()
        configuration.port = 0
        configuration.certificate = try (
            fixture.folder.file("chain.pem", holding: Array(Self.chain.utf8)),
            fixture.folder.file("key.pem", holding: Array(Self.key.utf8))
        )
        let server = PandoServer(fixture.runtime, configuration, logger: ServedFixture.logger)
        let picture = ByteBuffer(bytes: try SmallBundle.picture(1))
        try await server.application().test(.ahc(.https)) { client in
            let response = try await client.execute(uri: "/predict?tasks=size", method: .post, body: picture)
            #expect(response.status == .ok)
        }
    }

    @Test func `a key that is none is refused before anything is served`() async throws {
        let fixture = try await ServedFixture()
        var configuration = PandoServer.Configuration()
        configuration.certificate = try (
            fixture.folder.file("chain.pem", holding: Array(Self.chain.utf8)),
            fixture.folder.file("key.pem", holding: Array("no key".utf8))
        )
        let server = PandoServer(fixture.runtime, configuration, logger: ServedFixture.logger)
        #expect(throws: (any Error).self) { try server.application() }
    }

    /// For tests alone: signed by itself, for localhost, for a hundred years.
    private static let chain = """
        -----BEGIN CERTIFICATE-----
        MIIBmjCCAUGgAwIBAgIUUxAEZZTUEKkZ0PSfGnUM99WdDVgwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTE5NDMwM1oYDzIxMjYxMDI4
        MTk0MzAzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAATFGYWvDzV5ByvXdbDl7HVGT6sFPi2Sq0ZouewL3KAKVZrVi8IOnTKf
        wlPjvgwitHCdIIJ7bIRaKvUiRoIDLXW4o28wbTAdBgNVHQ4EFgQUS2Hq/mazeoPC
        xyIhDnrsv0xgUdIwHwYDVR0jBBgwFoAUS2Hq/mazeoPCxyIhDnrsv0xgUdIwDwYD
        VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
        zj0EAwIDRwAwRAIgWf7qFwhjueorS0e1et487Z+8CpXRnBJ4bElIkl7DvTcCICn6
        XbQRDkgOhn7C+Nj+4El2cLfmImry+YXtO6/2yLfT
        -----END CERTIFICATE-----
        """
    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzJfYEaVIU4ogso3N
        VGfUHREZRzarG7Xi4OYuLOmrkRyhRANCAATFGYWvDzV5ByvXdbDl7HVGT6sFPi2S
        q0ZouewL3KAKVZrVi8IOnTKfwlPjvgwitHCdIIJ7bIRaKvUiRoIDLXW4
        -----END PRIVATE KEY-----
        """
}
