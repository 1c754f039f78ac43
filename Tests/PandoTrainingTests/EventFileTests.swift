import Foundation
import Testing

@testable import PandoTraining

@Suite struct EventFileTests {
    @Test func `the checksum is Castagnoli's`() {
        #expect(CRC32C.checksum(Data("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum(Data()) == 0)
    }

    /// Bytes of the same two events from `tensorboard.summary.writer.record_writer.RecordWriter`, tensorboard 2.21.0.
    @Test func `records are TensorBoard's, byte for byte`() {
        let expected =
            "1800000000000000a37f4b220900000000004a93401a0d627261696e2e4576656e743a3265b8d3fb"
            + "40000000000000002817f4950900000000004c934010ac022a320a230a1c63617465676f72792f76616c69646174696f6e2f"
            + "6163637572616379150000803e0a0b0a046c6f7373150000c0bf8ce6c5a1"
        let version = EventFile.record(EventFile.versionEvent(at: Date(timeIntervalSince1970: 1234.5)))
        let scalars = EventFile.record(
            EventFile.scalarEvent(
                [("category/validation/accuracy", 0.25), ("loss", -1.5)], step: 300,
                at: Date(timeIntervalSince1970: 1235)))
        #expect((version + scalars).map { String(format: "%02x", $0) }.joined() == expected)
    }

    @Test func `a file is the version and the scalars written to it, and two of one second do not collide`() throws {
        let folder = try TemporaryFolder()
        let time = Date(timeIntervalSince1970: 1234.5)
        let first = try EventFile(in: folder.url, startedAt: time)
        let second = try EventFile(in: folder.url, startedAt: time)
        #expect(first.url != second.url)
        #expect(first.url.lastPathComponent.hasPrefix("events.out.tfevents.1234."))
        try first.write([("loss", 2)], step: 1, at: time)
        let expected =
            EventFile.record(EventFile.versionEvent(at: time))
            + EventFile.record(EventFile.scalarEvent([("loss", 2)], step: 1, at: time))
        #expect(try Data(contentsOf: first.url) == expected)
    }
}
