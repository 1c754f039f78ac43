import Foundation
import NIOCore

/// What one request carries.
public struct LoadBody: Sendable {
    /// How it is wrapped.
    public enum Form: String, Sendable, CaseIterable {
        /// The bytes alone.
        case raw
        /// One part of `multipart/form-data`.
        case multipart
    }

    let contentType: String
    let bytes: ByteBuffer
    /// Where a JPEG takes a comment: after its first marker; nil for anything else.
    private let commentPlace: Int?

    var isJPEG: Bool { commentPlace != nil }

    /// All bodies of a load are held in memory, at most so many bytes.
    public static let limit = 1 << 29

    /// The pictures of these files, in a field named `file`.
    public static func pictures(_ paths: [String], as form: Form = .raw) throws(LoadError) -> [LoadBody] {
        var bodies: [LoadBody] = []
        var total = 0
        for path in paths {
            let data: Data
            do {
                data = try Data(contentsOf: URL(fileURLWithPath: path))
            } catch {
                throw .file(path: path, reason: reason(error))
            }
            guard !data.isEmpty else { throw .file(path: path, reason: "the file is empty") }
            total += data.count
            guard total <= limit else {
                throw .setting("the pictures take more than \(limit >> 20) MB of memory; take fewer of them")
            }
            let name = URL(fileURLWithPath: path).lastPathComponent
            bodies.append(LoadBody(data, type: mediaType(data), form, field: "file", fileName: name))
        }
        return bodies
    }

    /// A text a request, in a field named `text`.
    public static func texts(_ texts: [String], as form: Form = .raw) -> [LoadBody] {
        texts.map { LoadBody(Data($0.utf8), type: "text/plain; charset=utf-8", form, field: "text", fileName: nil) }
    }

    /// The lines of a file, a text each; empty ones are left out.
    public static func texts(in path: String, as form: Form = .raw) throws(LoadError) -> [LoadBody] {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw .file(path: path, reason: reason(error))
        }
        guard text.utf8.count <= limit else { throw .setting("\(path) has more than \(limit >> 20) MB") }
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.allSatisfy(\.isWhitespace) }
        guard !lines.isEmpty else { throw .file(path: path, reason: "no line has a text") }
        return texts(lines.map(String.init), as: form)
    }

    private init(_ data: Data, type: String, _ form: Form, field: String, fileName: String?) {
        let marker = type == "image/jpeg" ? 2 : nil
        switch form {
        case .raw:
            contentType = type
            bytes = ByteBuffer(bytes: data)
            commentPlace = marker
        case .multipart:
            // Nothing that is sent here can hold a boundary drawn at random.
            let boundary = "pando-\(UUID().uuidString)"
            let file = fileName.map { "; filename=\"\($0.filter { $0 != "\"" && !$0.isNewline })\"" } ?? ""
            let head = """
                --\(boundary)\r
                Content-Disposition: form-data; name="\(field)"\(file)\r
                Content-Type: \(type)\r
                \r

                """
            contentType = "multipart/form-data; boundary=\(boundary)"
            bytes = ByteBuffer(bytes: Data(head.utf8) + data + Data("\r\n--\(boundary)--\r\n".utf8))
            commentPlace = marker.map { head.utf8.count + $0 }
        }
    }

    /// The same JPEG with a comment: the same pixels, other bytes. Anything else stays what it is.
    func commented(_ comment: [UInt64]) -> ByteBuffer {
        guard let commentPlace, let head = bytes.getSlice(at: 0, length: commentPlace) else { return bytes }
        let size = comment.count * MemoryLayout<UInt64>.size
        var copy = ByteBuffer()
        copy.reserveCapacity(bytes.readableBytes + size + 4)
        copy.writeImmutableBuffer(head)
        copy.writeInteger(UInt16(0xFFFE))  // COM, then its length with the length's own two bytes
        copy.writeInteger(UInt16(size + 2))
        for word in comment { copy.writeInteger(word) }
        copy.writeBytes(bytes.readableBytesView[commentPlace...])
        return copy
    }

    /// By the first bytes.
    private static func mediaType(_ data: Data) -> String {
        let known: [([UInt8], String)] = [
            ([0x89, 0x50, 0x4E, 0x47], "image/png"), ([0xFF, 0xD8, 0xFF], "image/jpeg"),
            (Array("GIF8".utf8), "image/gif"), (Array("RIFF".utf8), "image/webp"),
        ]
        return known.first { data.starts(with: $0.0) }?.1 ?? "application/octet-stream"
    }

    /// The system's own words, where it has some.
    private static func reason(_ error: any Error) -> String {
        let underlying = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error).map { $0 as NSError }
        guard let underlying, underlying.domain == NSPOSIXErrorDomain else { return error.localizedDescription }
        return String(cString: strerror(Int32(underlying.code))).lowercased()
    }
}
