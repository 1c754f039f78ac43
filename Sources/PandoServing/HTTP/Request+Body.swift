import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import PandoData

extension Request {
    /// The body, whole and decompressed.
    ///
    /// - Throws: `ServingError` if it is too large, breaks off, or is compressed in a way that is not known.
    func wholeBody(_ limits: ServingLimits) async throws(ServingError) -> Data {
        let tooLarge = ServingError.tooLarge("the body is larger than the limit of \(limits.bodyBytes) bytes")
        if let length = headers[.contentLength].flatMap({ Int($0) }), length > limits.bodyBytes { throw tooLarge }
        let buffer: ByteBuffer
        do {
            buffer = try await body.collect(upTo: limits.bodyBytes)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch { throw .invalid("the body breaks off: \(error)") }
        let bytes = Data(buffer.readableBytesView)
        let format: Inflation.Format
        switch headers[.contentEncoding]?.lowercased() {
        case nil, "identity": return bytes
        case "gzip": format = .gzip
        case "deflate": format = .zlib
        case let other?: throw ServingError(415, "Content-Encoding \(other) is not known; send gzip, deflate or plain bytes")
        }
        do {
            return try Inflation.inflate(bytes, format, limit: limits.bodyBytes)
        } catch {
            switch error {
            case .tooLarge: throw .tooLarge("the body is larger than the limit of \(limits.bodyBytes) bytes once decompressed")
            case .damaged: throw .invalid("the body is not what Content-Encoding says: it is damaged or breaks off")
            }
        }
    }
}

extension JSONDecoder {
    /// A JSON body.
    /// - Throws: `ServingError` naming the field that is wrong.
    func body<Body: Decodable>(_ type: Body.Type, _ data: Data) throws(ServingError) -> Body {
        do {
            return try decode(type, from: data)
        } catch let error as ServingError {
            throw error
        } catch let error as DecodingError {
            throw .invalid("the JSON is not as expected: \(error.sentence)")
        } catch { throw .invalid("the JSON cannot be read: \(error)") }
    }
}

extension DecodingError {
    /// The field and what is wrong with it.
    fileprivate var sentence: String {
        func path(_ context: Context, _ last: (any CodingKey)? = nil) -> String {
            let keys = context.codingPath + (last.map { [$0] } ?? [])
            return keys.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        }
        switch self {
        case .keyNotFound(let key, let context): return "\(path(context, key)) is missing"
        case .typeMismatch(let type, let context): return "\(path(context)) is not of type \(type)"
        case .valueNotFound(_, let context): return "\(path(context)) is null"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty ? context.debugDescription : "\(path(context)): \(context.debugDescription)"
        @unknown default: return "\(self)"
        }
    }
}

extension Response {
    /// JSON with sorted keys.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws(ServingError) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: try encoded(value))))
    }

    /// JSON's bytes, keys sorted.
    static func encoded(_ value: some Encodable) throws(ServingError) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return try encoder.encode(value) } catch {
            throw ServingError(500, "the answer holds a number that is not finite, which JSON cannot say; ask for binary data")
        }
    }

    /// A file of the program.
    static func file(_ bytes: [UInt8], type: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: type, .cacheControl: "no-cache"],
            body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
