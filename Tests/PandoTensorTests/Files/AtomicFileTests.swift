import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@Suite struct AtomicFileTests {
    @Test func `a written file holds what was sent, small and large pieces alike`() throws {
        let directory = try TemporaryDirectory()
        let large = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let count = try AtomicFile.write(to: directory.file("a")) { sink in
            try sink.write("head")
            try sink.write(large)
            try sink.write([1, 2, 3])
        }
        #expect(count == 4 + large.count + 3)
        #expect(try Array(Data(contentsOf: directory.file("a"))) == Array("head".utf8) + large + [1, 2, 3])
        #expect(try directory.names == ["a"])
    }

    @Test func `an error while writing leaves the old file and nothing else`() throws {
        struct Interruption: Error {}
        let directory = try TemporaryDirectory()
        try AtomicFile.write("old", to: directory.file("a"))
        #expect(throws: Interruption.self) {
            try AtomicFile.write(to: directory.file("a")) { sink in
                try sink.write([UInt8](repeating: 7, count: 2_000_000))
                throw Interruption()
            }
        }
        #expect(try String(contentsOf: directory.file("a"), encoding: .utf8) == "old")
        #expect(try directory.names == ["a"])
    }

    @Test func `whoever has the old file mapped goes on seeing it`() throws {
        let directory = try TemporaryDirectory()
        try AtomicFile.write("old contents", to: directory.file("a"))
        let mapped = try MappedFile(directory.file("a"))
        try AtomicFile.write("new", to: directory.file("a"))
        #expect(String(decoding: mapped.bytes, as: UTF8.self) == "old contents")
        #expect(try String(contentsOf: directory.file("a"), encoding: .utf8) == "new")
    }

    @Test func `a directory that is missing is named`() throws {
        let directory = try TemporaryDirectory()
        let error = #expect(throws: FileError.self) {
            try AtomicFile.write("x", to: directory.file("no/such/file"))
        }
        #expect("\(try #require(error))".contains("No such file or directory"))
    }

    @Test(.enabled(if: SmallDisk.isAvailable, "needs the right to mount a file system"))
    func `a full disk is told and loses nothing`() throws {
        let disk = try #require(SmallDisk(kilobytes: 256))
        let place = disk.url.appendingPathComponent("a")
        try AtomicFile.write("old", to: place)
        let error = #expect(throws: FileError.self) {
            try AtomicFile.write([UInt8](repeating: 1, count: 1 << 20), to: place)
        }
        #expect(error?.isDiskFull == true)
        #expect("\(try #require(error))".contains("Nothing was lost"))
        #expect(try String(contentsOf: place, encoding: .utf8) == "old")
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.url.path) == ["a"])
    }
}

@Suite struct MappedFileTests {
    @Test func `an empty file maps to no bytes`() throws {
        let directory = try TemporaryDirectory()
        #expect(try MappedFile(directory.file("empty", holding: [])).count == 0)
    }

    @Test func `what is not a regular file is refused`() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: FileError.self) { try MappedFile(directory.url) }
        #expect(throws: FileError.self) { try MappedFile(directory.file("missing")) }
        #expect(mkfifo(directory.file("pipe").path, 0o600) == 0)
        #expect(throws: FileError.self) { try MappedFile(directory.file("pipe")) }
    }
}
