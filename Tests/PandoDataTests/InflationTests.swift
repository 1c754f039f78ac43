import Foundation
import Testing

@testable import PandoData

@Suite struct InflationTests {
    /// "Pando" 40 times, as zlib packs it.
    private static let zlib = Data(base64Encoded: "eJwLSMxLyQ8Y+gQAhIpN0Q==")

    @Test func `what was packed comes out, up to the limit`() throws {
        let text = Data(String(repeating: "Pando", count: 40).utf8)
        let packed = try #require(Self.zlib)
        #expect(try Inflation.inflate(packed, .zlib, limit: 1000) == text)
        #expect(try Inflation.inflate(packed, .zlib, limit: text.count) == text)
        #expect(throws: Inflation.Failure.tooLarge) { try Inflation.inflate(packed, .zlib, limit: text.count - 1) }
        #expect(throws: Inflation.Failure.tooLarge) { try Inflation.inflate(packed, .zlib, limit: 0) }
    }

    @Test func `what breaks off, is followed by others or is of another format is damaged`() throws {
        let packed = try #require(Self.zlib)
        for bytes in [Data(), packed.dropLast(3), packed + Data([1]), Data(repeating: 7, count: 50)] {
            #expect(throws: Inflation.Failure.damaged) { try Inflation.inflate(bytes, .zlib, limit: 1000) }
        }
        #expect(throws: Inflation.Failure.damaged) { try Inflation.inflate(packed, .gzip, limit: 1000) }
    }
}
