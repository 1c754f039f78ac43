import Foundation

/// Title and keywords of an Open Clip Art drawing, from the `<metadata>` at the head of its SVG.
///
/// Only the head is read, up to `</metadata>`, and scanned rather than parsed: what follows may be megabytes, and is
/// not always well-formed. The prefixes `dc:` and `rdf:` are taken literally, as every file writes them.
struct DrawingMetadata: Sendable, Hashable {
    /// The work's title, trimmed, without line breaks; empty if there is none.
    let title: String
    /// The keywords, trimmed and lower-cased, each once, in the file's order.
    let keywords: [String]

    /// Bytes within which the metadata must end.
    static let headLimit = 1 << 18

    init(svg url: URL) throws(DatasetError) {
        let head: String
        do {
            head = try Self.head(of: url)
        } catch {
            throw DatasetError([
                .init(file: url.path, message: "the drawing's SVG cannot be read (\(error.localizedDescription))")
            ])
        }
        guard let metadata = Self.firstElement("metadata", in: head[...]) else {
            throw DatasetError([
                .init(
                    file: url.path,
                    message: "expected <metadata>…</metadata> within the first \(Self.headLimit) bytes")
            ])
        }
        self.init(metadata: metadata)
    }

    /// - Parameter metadata: what stands between `<metadata>` and `</metadata>`.
    init(metadata: Substring) {
        var rest = metadata
        // The titles of people are not the work's.
        var work = ""
        while let agent = rest.range(of: "<cc:Agent") {
            work += rest[..<agent.lowerBound]
            guard let end = rest.range(of: "</cc:Agent>", range: agent.upperBound..<rest.endIndex) else {
                rest = ""
                break
            }
            rest = rest[end.upperBound...]
        }
        work += rest
        title = Self.text(Self.firstElement("dc:title", in: work[...]) ?? "")

        var keywords: [String] = []
        var items = work[...]
        while let start = items.range(of: "<rdf:li") {
            items = items[start.lowerBound...]
            if let item = Self.firstElement("rdf:li", in: items) {
                let keyword = Self.text(item).lowercased()
                if !keyword.isEmpty && !keywords.contains(keyword) { keywords.append(keyword) }
            }
            items = items.dropFirst()
        }
        self.keywords = keywords
    }

    /// The file's beginning, to the end of its metadata or to the limit.
    private static func head(of url: URL) throws -> String {
        let file = try FileHandle(forReadingFrom: url)
        var bytes = Data()
        let end = Data("</metadata>".utf8)
        while bytes.count < headLimit, let piece = try file.read(upToCount: 1 << 13), !piece.isEmpty {
            bytes += piece
            if bytes.range(of: end) != nil { break }
        }
        try file.close()
        // A few files are in Latin-1 without saying so; their keywords are ASCII.
        return String(data: bytes, encoding: .utf8) ?? String(data: bytes, encoding: .isoLatin1) ?? ""
    }

    /// What stands between the first `<name …>` and the next `</name>`; empty for `<name/>`, nil if there is none.
    private static func firstElement(_ name: String, in text: Substring) -> Substring? {
        guard let start = text.range(of: "<" + name), let open = text[start.upperBound...].firstIndex(of: ">") else {
            return nil
        }
        if text[text.index(before: open)] == "/" { return "" }
        let content = text[text.index(after: open)...]
        return content.range(of: "</" + name).map { content[..<$0.lowerBound] }
    }

    /// Text without entities and line breaks, trimmed.
    private static func text(_ raw: Substring) -> String {
        var plain = String(raw)
        for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'")] {
            plain = plain.replacingOccurrences(of: entity, with: character)
        }
        plain = plain.replacing(#/&#(x?)([0-9a-fA-F]+);/#) { match in
            let number = UInt32(match.2, radix: match.1.isEmpty ? 10 : 16)
            return number.flatMap(Unicode.Scalar.init).map { String($0) } ?? String(match.0)
        }
        plain = plain.replacingOccurrences(of: "&amp;", with: "&")
        return plain.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
