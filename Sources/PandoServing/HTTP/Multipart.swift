import Foundation

/// The parts of a `multipart/form-data` body.
///
/// No library for it is at hand that stands alone; the format is small.
/// - Source: RFC 7578 and RFC 2046 §5.1.1.
struct Multipart {
    struct Part {
        /// The form's field.
        let field: String
        /// The file's name, where it is a file.
        let fileName: String?
        let content: Data
    }

    let parts: [Part]

    /// Parts at most.
    private static let partLimit = 1024
    /// Bytes of a part's head at most.
    private static let headLimit = 8192

    /// - Parameter contentType: the header's value, with its boundary.
    /// - Throws: `ServingError` if the body is not made of parts.
    init(_ body: Data, contentType: String) throws(ServingError) {
        guard let boundary = HeaderParameters(contentType)["boundary"], (1...70).contains(boundary.utf8.count) else {
            throw .invalid("multipart/form-data needs a boundary of 1 to 70 characters in Content-Type")
        }
        let delimiter = Data("\r\n--\(boundary)".utf8)
        // The first delimiter may stand at the very beginning.
        let body = Data("\r\n".utf8) + body
        var parts: [Part] = []
        guard var place = body.range(of: delimiter)?.upperBound else {
            throw .invalid("multipart/form-data: the boundary '\(boundary)' does not occur in the body")
        }
        while true {
            let rest = body[place...]
            if rest.starts(with: Data("--".utf8)) { break }
            guard rest.starts(with: Data("\r\n".utf8)), let end = body.range(of: delimiter, in: place..<body.endIndex) else {
                throw .invalid("multipart/form-data: a part breaks off before its boundary")
            }
            guard parts.count < Self.partLimit else { throw .tooLarge("multipart/form-data: more than \(Self.partLimit) parts") }
            parts.append(try Self.part(body[place..<end.lowerBound]))
            place = end.upperBound
        }
        self.parts = parts
    }

    /// - Parameter bytes: a line break, the head, an empty line, the content.
    private static func part(_ bytes: Data) throws(ServingError) -> Part {
        let blank = Data("\r\n\r\n".utf8)
        let window = bytes.startIndex..<min(bytes.endIndex, bytes.startIndex + headLimit)
        guard let split = bytes.range(of: blank, in: window) else {
            throw .invalid("multipart/form-data: a part has no head, or one of more than \(headLimit) bytes")
        }
        let lines = String(decoding: bytes[bytes.startIndex..<split.lowerBound], as: UTF8.self)
            .split(separator: "\r\n").map(String.init)
        let name = "content-disposition:"
        guard let disposition = lines.first(where: { $0.lowercased().hasPrefix(name) }),
            case let parameters = HeaderParameters(String(disposition.dropFirst(name.count))),
            let field = parameters["name"]
        else { throw .invalid("multipart/form-data: a part has no Content-Disposition with a name") }
        return Part(field: field, fileName: parameters["filename"], content: Data(bytes[split.upperBound...]))
    }
}

/// The parameters of a header's value: `form-data; name="image"; filename="a.png"`.
struct HeaderParameters {
    /// What stands before the first parameter, in small letters.
    let value: String
    private let parameters: [String: String]

    init(_ header: String) {
        var fields: [String] = []
        var (field, isQuoted, isEscaped) = ("", false, false)
        for character in header {
            if isEscaped {
                field.append(character)
                isEscaped = false
            } else if isQuoted, character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if character == ";", !isQuoted {
                fields.append(field)
                field = ""
            } else {
                field.append(character)
            }
        }
        fields.append(field)
        value = fields[0].trimmingCharacters(in: .whitespaces).lowercased()
        parameters = Dictionary(
            fields.dropFirst().compactMap { field in
                guard let equals = field.firstIndex(of: "=") else { return nil }
                let name = field[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
                return (name, field[field.index(after: equals)...].trimmingCharacters(in: .whitespaces))
            }, uniquingKeysWith: { first, _ in first })
    }

    subscript(name: String) -> String? { parameters[name] }
}
