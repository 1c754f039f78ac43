import Foundation

/// One package of Debian: what its stanza in the index tells.
struct DebianPackage {
    struct Tag: Hashable {
        var facet, name: String
    }

    static let fields = ["Package", "Version", "Source", "Section", "Installed-Size", "Description", "Tag"]

    /// The line its stanza begins on.
    let line: Int
    let name: String
    let version: String
    /// The source package it is built from.
    let source: String
    /// The first line of the description.
    let summary: String
    let section: String?
    /// In KiB.
    let installedSize: Int?
    /// Each once, in the file's order.
    let tags: [Tag]

    /// Nil, with a problem told, when the stanza describes no package.
    init?(_ stanza: ControlReader.Stanza, _ problems: inout ProblemList) {
        func complete(_ field: String) -> String? {
            if let value = stanza[field], !value.isEmpty { return value }
            problems.add("the stanza has no `\(field)`", line: stanza.line)
            return nil
        }
        guard let name = complete("Package"), let version = complete("Version"),
            let description = complete("Description")
        else { return nil }
        line = stanza.line
        self.name = name
        self.version = version
        summary = String(Substring(description.utf8.prefix { $0 != UInt8(ascii: "\n") }))
        // `Source: name (version)` where the versions differ.
        source = stanza["Source"].flatMap { $0.split(separator: " ").first }.map(String.init) ?? name
        section = stanza["Section"].flatMap { $0.isEmpty ? nil : $0 }
        let size = stanza["Installed-Size"]
        installedSize = size.flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
        if let size, installedSize == nil {
            problems.add("`Installed-Size` of \(name) is `\(size.prefix(60))`; expected KiB", line: line)
        }
        tags = stanza["Tag"].map(Self.tags) ?? []
        if stanza["Tag"] != nil && tags.isEmpty {
            problems.add("`Tag` of \(name) holds no list of tags such as `role::program, use::editing`", line: line)
        }
    }

    /// The tags of a list such as `role::program, interface::{commandline,x11}`; none if it is no such list.
    static func tags(_ list: String) -> [Tag] {
        var tags: [Tag] = []
        var openFacet: String?
        for item in list.utf8.split(separator: UInt8(ascii: ",")) {
            var rest = trimmed(item)
            var facet = openFacet
            if facet == nil {
                guard let mark = rest.firstIndex(of: UInt8(ascii: ":")), rest[mark...].starts(with: "::".utf8)
                else { return [] }
                facet = String(Substring(rest[..<mark]))
                rest = rest[mark...].dropFirst(2)
                if rest.first == UInt8(ascii: "{") {
                    openFacet = facet
                    rest = trimmed(rest.dropFirst())
                }
            }
            if openFacet != nil, rest.last == UInt8(ascii: "}") {
                openFacet = nil
                rest = trimmed(rest.dropLast())
            }
            guard let facet, !facet.isEmpty, !rest.isEmpty else { return [] }
            let tag = Tag(facet: facet, name: String(Substring(rest)))
            if !tags.contains(tag) { tags.append(tag) }
        }
        return openFacet == nil ? tags : []
    }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A }
        guard let first = text.firstIndex(where: { !isSpace($0) }), let last = text.lastIndex(where: { !isSpace($0) })
        else { return text.prefix(0) }
        return text[first...last]
    }
}
