import Foundation

/// A CSV file's rows, each with the line it begins on.
///
/// Fields are separated by commas; a field in double quotes may hold commas, line breaks and doubled quotes. Lines end
/// in LF or CRLF; empty lines between rows are passed over; a byte order mark is too. Stricter than most readers: a
/// quote inside an unquoted field, text after a closing quote, an unclosed quote, a row of another width than the
/// header, and bytes that are not UTF-8 are problems, not guesses.
/// - Source: RFC 4180; LF alone ends a line here, and UTF-8 is the only encoding.
struct CSVTable {
    struct Row {
        var line: Int
        var fields: [String]
    }

    private(set) var header: [String] = []
    private(set) var rows: [Row] = []

    private static let quote = UInt8(ascii: "\""), comma = UInt8(ascii: ","), newline = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    init(_ data: Data, problems: inout ProblemList) {
        var bytes = [UInt8](data)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        var reader = Reader(bytes: bytes)
        var isFirst = true
        while let row = reader.nextRow(&problems) {
            if isFirst {
                header = row.fields
                isFirst = false
                for name in Set(header) where header.count(where: { $0 == name }) > 1 {
                    problems.add("the column `\(name)` occurs more than once in the header", line: row.line)
                }
            } else if row.fields.count != header.count {
                problems.add(
                    "expected \(header.count) fields, as in the header, found \(row.fields.count)", line: row.line)
            } else {
                rows.append(row)
            }
        }
        if isFirst { problems.add("the file is empty; expected a header and rows") }
    }

    private struct Reader {
        let bytes: [UInt8]
        var place = 0
        var line = 1

        /// The next row that is not an empty line; nil at the end of the file.
        mutating func nextRow(_ problems: inout ProblemList) -> Row? {
            while place < bytes.count, takeLineEnd() {}
            guard place < bytes.count else { return nil }
            var row = Row(line: line, fields: [])
            while true {
                row.fields.append(field(row.line, &problems))
                if place < bytes.count && bytes[place] == comma {
                    place += 1
                } else {
                    _ = takeLineEnd()
                    return row
                }
            }
        }

        private mutating func takeLineEnd() -> Bool {
            guard place < bytes.count else { return false }
            if bytes[place] == newline {
                place += 1
            } else if bytes[place] == carriageReturn && place + 1 < bytes.count && bytes[place + 1] == newline {
                place += 2
            } else {
                return false
            }
            line += 1
            return true
        }

        /// Reads up to the comma or line end that closes the field, or the end of the file.
        private mutating func field(_ row: Int, _ problems: inout ProblemList) -> String {
            guard place < bytes.count, bytes[place] == quote else {
                let text = text(upTo: { $0 == comma || $0 == newline }, row, &problems)
                if text.contains("\"") {
                    problems.add("a quote inside an unquoted field; put the whole field in quotes", line: row)
                }
                return text
            }
            let opening = line
            var content: [UInt8] = []
            place += 1
            while true {
                guard place < bytes.count else {
                    problems.add("a quote opened here is never closed", line: opening)
                    break
                }
                let byte = bytes[place]
                place += 1
                if byte != quote {
                    if byte == newline { line += 1 }
                    content.append(byte)
                } else if place < bytes.count && bytes[place] == quote {
                    content.append(quote)
                    place += 1
                } else {
                    break
                }
            }
            let rest = text(upTo: { $0 == comma || $0 == newline }, row, &problems)
            if !rest.isEmpty { problems.add("text after a closing quote: `\(rest)`", line: line) }
            return decoded(content[...], row, &problems)
        }

        private mutating func text(
            upTo isEnd: (UInt8) -> Bool, _ row: Int, _ problems: inout ProblemList
        ) -> String {
            let start = place
            while place < bytes.count, !isEnd(bytes[place]) { place += 1 }
            // The CR of a CRLF belongs to the line's end.
            if place < bytes.count, bytes[place] == newline, place > start, bytes[place - 1] == carriageReturn {
                place -= 1
            }
            return decoded(bytes[start..<place], row, &problems)
        }

        private func decoded(_ content: ArraySlice<UInt8>, _ row: Int, _ problems: inout ProblemList) -> String {
            if let text = String(validating: content, as: UTF8.self) { return text }
            problems.add("bytes that are not UTF-8; save the file as UTF-8", line: row)
            return ""
        }
    }
}
