import Foundation

/// Title and keywords of an Open Clip Art drawing, from the `<metadata>` at the head of its SVG.
///
/// Only the head is read, up to `</metadata>`, and scanned as bytes rather than parsed: what follows may be megabytes,
/// and is not always well-formed. The prefixes `dc:` and `rdf:` are taken literally, as every file writes them.
/// - Cost: 40 µs a drawing.
struct DrawingMetadata: Sendable, Hashable {
    /// The work's title, trimmed, without line breaks; empty if there is none.
    let title: String
    /// The keywords, trimmed and lower-cased, each once, in the file's order.
    let keywords: [String]

    /// Bytes within which the metadata must end.
    static let headLimit = 1 << 18

    init(svg url: URL) throws(DatasetError) {
        let head: [UInt8]
        do {
            head = try Self.head(of: url)
        } catch {
            throw DatasetError([
                .init(file: url.path, message: "the drawing's SVG cannot be read (\(error.localizedDescription))")
            ])
        }
        guard let metadata = MarkupScanner(head[...]).content(of: "metadata") else {
            throw DatasetError([
                .init(
                    file: url.path,
                    message: "expected <metadata>…</metadata> within the first \(Self.headLimit) bytes")
            ])
        }
        self.init(metadata: metadata)
    }

    /// - Parameter metadata: what stands between `<metadata>` and `</metadata>`.
    init(metadata: ArraySlice<UInt8>) {
        // The titles of people are not the work's.
        var work = MarkupScanner(metadata)
        var title: ArraySlice<UInt8>?
        while title == nil, let place = work.next(of: ["dc:title", "cc:Agent"]) {
            if place == "cc:Agent" {
                guard work.skip(past: "</cc:Agent") else { break }
            } else {
                title = work.content(of: "dc:title")
            }
        }
        self.title = title.map(MarkupScanner.text) ?? ""

        var keywords: [String] = []
        var items = MarkupScanner(metadata)
        while items.next(of: ["rdf:li"]) != nil {
            let keyword = items.content(of: "rdf:li").map { MarkupScanner.text($0).lowercased() } ?? ""
            if !keyword.isEmpty && !keywords.contains(keyword) { keywords.append(keyword) }
            _ = items.skip(past: "<rdf:li")
        }
        self.keywords = keywords
    }

    /// The file's beginning, to the end of its metadata or to the limit.
    private static func head(of url: URL) throws -> [UInt8] {
        let file = try FileHandle(forReadingFrom: url)
        var bytes: [UInt8] = []
        while bytes.count < headLimit, let piece = try file.read(upToCount: 1 << 13), !piece.isEmpty {
            bytes += piece
            if MarkupScanner(bytes[...]).finds("</metadata>") { break }
        }
        try file.close()
        return bytes
    }
}

/// Finds elements in markup that need not be well-formed.
struct MarkupScanner {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    func finds(_ text: String) -> Bool { Self.find(text, in: rest) != nil }

    /// Moves to the first tag that opens one of these elements, and says which; nil if there is none.
    mutating func next(of names: [String]) -> String? {
        let found = names.compactMap { name in Self.find("<" + name, in: rest).map { (place: $0, name: name) } }
        guard let first = found.min(by: { $0.place < $1.place }) else { return nil }
        rest = rest[first.place...]
        return first.name
    }

    /// Moves behind the next `text`; false if there is none.
    mutating func skip(past text: String) -> Bool {
        guard let place = Self.find(text, in: rest) else { return false }
        rest = rest[(place + text.utf8.count)...]
        return true
    }

    /// What stands between the next `<name …>` and the `</name` after it; empty for `<name/>`, nil if there is none.
    func content(of name: String) -> ArraySlice<UInt8>? {
        guard let start = Self.find("<" + name, in: rest), let open = rest[start...].firstIndex(of: UInt8(ascii: ">"))
        else { return nil }
        if rest[open - 1] == UInt8(ascii: "/") { return [] }
        return Self.find("</" + name, in: rest[(open + 1)...]).map { rest[(open + 1)..<$0] }
    }

    /// Text without entities and line breaks, trimmed. Bytes that are not UTF-8 are Latin-1, as in a few old files.
    static func text(_ raw: ArraySlice<UInt8>) -> String {
        var plain =
            String(validating: raw, as: UTF8.self) ?? String(String.UnicodeScalarView(raw.map { Unicode.Scalar($0) }))
        if raw.contains(UInt8(ascii: "&")) {
            for (entity, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'")] {
                plain = plain.replacingOccurrences(of: entity, with: character)
            }
            plain = plain.replacing(#/&#(x?)([0-9a-fA-F]+);/#) { match in
                let number = UInt32(match.2, radix: match.1.isEmpty ? 10 : 16)
                return number.flatMap(Unicode.Scalar.init).map { String($0) } ?? String(match.0)
            }
            plain = plain.replacingOccurrences(of: "&amp;", with: "&")
        }
        return plain.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    private static func find(_ text: String, in bytes: ArraySlice<UInt8>) -> Int? {
        bytes.withUnsafeBufferPointer { buffer in
            let pattern = Array(text.utf8)
            guard buffer.count >= pattern.count else { return nil }
            return (0...buffer.count - pattern.count).first { start in
                buffer[start] == pattern[0] && pattern.indices.allSatisfy { buffer[start + $0] == pattern[$0] }
            }.map { bytes.startIndex + $0 }
        }
    }
}
