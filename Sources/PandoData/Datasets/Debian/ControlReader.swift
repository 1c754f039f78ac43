import Foundation

/// Reads the stanzas of a file in Debian's control format, one after another.
///
/// A stanza is lines of `Field: value` up to an empty line. A line that begins with a space or a tab goes on with the
/// value above it. Field names are told apart whatever their case; fields that nobody asked for are passed over.
/// - Source: deb822(5), without the comments that only `debian/control` may have.
struct ControlReader {
    struct Stanza {
        /// Where it begins, counted from 1.
        let line: Int
        fileprivate(set) var values: [String: String] = [:]

        /// A field's value without white space around its lines, which are parted by line breaks.
        subscript(field: String) -> String? { values[field] }
    }

    private let bytes: [UInt8]
    private let fields: [(name: String, bytes: [UInt8])]
    private var place = 0
    private var line = 0

    private static let newline = UInt8(ascii: "\n"), colon = UInt8(ascii: ":")

    /// - Parameter fields: those to keep; stanzas have them under these names.
    init(_ bytes: [UInt8], keeping fields: [String]) {
        self.bytes = bytes
        self.fields = fields.map { ($0, Array($0.lowercased().utf8)) }
    }

    /// The next stanza; nil at the end of the file, or when there are too many problems to list.
    mutating func next(_ problems: inout ProblemList) -> Stanza? {
        var stanza: Stanza?
        var field: String?
        while place < bytes.count, !problems.isFull {
            let end = bytes[place...].firstIndex(of: Self.newline) ?? bytes.count
            let isContinuation = Self.isSpace(bytes[place])
            let content = Self.trimmed(bytes[place..<end])
            place = end + 1
            line += 1
            if content.isEmpty {
                if stanza == nil { continue }
                return stanza
            }
            if isContinuation {
                if stanza == nil { problems.add("the line goes on with a field, but there is none above", line: line) }
                guard let field, let text = decoded(content, of: field, &problems) else { continue }
                stanza?.values[field]? += "\n" + text
            } else if let mark = content.firstIndex(of: Self.colon), mark > content.startIndex,
                !content[..<mark].contains(where: Self.isSpace)
            {
                if stanza == nil { stanza = Stanza(line: line) }
                field = known(content[..<mark])
                guard let field, let text = decoded(Self.trimmed(content[(mark + 1)...]), of: field, &problems)
                else { continue }
                if stanza?.values.updateValue(text, forKey: field) != nil {
                    problems.add("the stanza has a second field `\(field)`", line: line)
                }
            } else {
                problems.add("expected `Field: value`, an indented line or an empty one", line: line)
            }
        }
        return stanza
    }

    /// The field that is called so, if it is kept.
    private func known(_ name: ArraySlice<UInt8>) -> String? {
        fields.first { field in
            // Setting this bit makes ASCII letters small, and no other byte of a field's name a letter.
            field.bytes.count == name.count && zip(field.bytes, name).allSatisfy { $0 == $1 | 0x20 }
        }?.name
    }

    private func decoded(_ text: ArraySlice<UInt8>, of field: String, _ problems: inout ProblemList) -> String? {
        if let text = String(validating: text, as: UTF8.self) { return text }
        problems.add("`\(field)` holds bytes that are not UTF-8", line: line)
        return nil
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let first = text.firstIndex(where: { !isSpace($0) }), let last = text.lastIndex(where: { !isSpace($0) })
        else { return [] }
        return text[first...last]
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
}
