import Foundation
import NIOCore
import Testing

@testable import PandoLoad

@Suite struct LoadBodyTests {
    @Test func `a picture goes as it is, under its own type`() throws {
        let bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10, 0, 255]
        try withFile("picture.png", bytes) { path in
            let body = try #require(try LoadBody.pictures([path]).first)
            #expect(body.contentType == "image/png")
            #expect(Array(body.bytes.readableBytesView) == bytes)
        }
    }

    @Test func `a picture goes as one part of a form`() throws {
        let bytes: [UInt8] = [0xFF, 0xD8, 0xFF, 1, 13, 10]
        try withFile("photo.jpg", bytes) { path in
            let body = try #require(try LoadBody.pictures([path], as: .multipart).first)
            let boundary = try #require(body.contentType.split(separator: "=").last)
            let head = """
                --\(boundary)\r
                Content-Disposition: form-data; name="file"; filename="photo.jpg"\r
                Content-Type: image/jpeg\r
                \r

                """
            let expected = Array(head.utf8) + bytes + Array("\r\n--\(boundary)--\r\n".utf8)
            #expect(Array(body.bytes.readableBytesView) == expected)
        }
    }

    @Test(arguments: LoadBody.Form.allCases)
    func `a comment stands after the first marker of a JPEG`(form: LoadBody.Form) throws {
        let bytes: [UInt8] = [0xFF, 0xD8, 0xFF, 0xDB, 1, 2]
        try withFile("photo.jpg", bytes) { path in
            let body = try #require(try LoadBody.pictures([path], as: form).first)
            let comment: [UInt8] = [0xFF, 0xFE, 0, 18] + [0, 0, 0, 0, 0, 0, 0, 7] + [0, 0, 0, 0, 0, 0, 1, 0]
            let plain = Array(body.bytes.readableBytesView)
            let place = try #require(plain.firstIndex(of: 0xFF)) + 2
            #expect(Array(body.commented([7, 256]).readableBytesView) == plain[..<place] + comment + plain[place...])
        }
    }

    @Test func `only a JPEG takes a comment`() throws {
        try withFile("picture.png", [0x89, 0x50, 0x4E, 0x47]) { path in
            let body = try #require(try LoadBody.pictures([path]).first)
            #expect(body.commented([1]) == body.bytes)
            var load = Load(try LoadAddress("http://127.0.0.1:1"), bodies: [body], pace: .closed(clients: 1), seconds: 1)
            load.areDistinct = true
            #expect(throws: LoadError.setting("only JPEGs can be made distinct")) {
                try Load.waiting { [load] in try await load.run() }
            }
        }
    }

    @Test func `a file of texts has one a line`() throws {
        try withFile("texts.txt", Array("first\n\n  \nsecond: ä\n".utf8)) { path in
            let bodies = try LoadBody.texts(in: path)
            #expect(bodies.map { String(buffer: $0.bytes) } == ["first", "second: ä"])
            #expect(bodies.allSatisfy { $0.contentType == "text/plain; charset=utf-8" })
        }
    }

    @Test func `files that cannot be sent are named`() throws {
        #expect(throws: LoadError.file(path: "/no/such.png", reason: "no such file or directory")) {
            try LoadBody.pictures(["/no/such.png"])
        }
        try withFile("empty", []) { path in
            #expect(throws: LoadError.file(path: path, reason: "the file is empty")) { try LoadBody.pictures([path]) }
            #expect(throws: LoadError.file(path: path, reason: "no line has a text")) { try LoadBody.texts(in: path) }
        }
    }

    private func withFile(_ name: String, _ bytes: [UInt8], _ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent(name)
        try Data(bytes).write(to: file)
        try body(file.path)
    }
}
