import Foundation
import PandoTensor

/// Which column of a manifest is what.
struct ManifestRoles {
    /// The column that examples are made of.
    enum Content: Equatable {
        case image(String), text(String)

        var column: String {
            switch self {
            case .image(let column), .text(let column): column
            }
        }
    }

    var content: Content
    var id: String?
    var split: String?
    var tasks: [(column: String, kind: LabelKind)]
}

extension Manifest {
    /// Finds the columns that were named, or that names suggest; each that is missing is a problem.
    func columnRoles(_ table: ManifestTable, _ problems: inout ProblemList) -> ManifestRoles {
        let present = table.columns
        func find(_ name: String, as role: String) {
            if present.contains(name) { return }
            let near = nearMiss(to: name, among: present)
            problems.add(
                "there is no \(role) column `\(name)`; the columns are \(present.joined(separator: ", "))"
                    + (near.map { "; did you mean `\($0)`?" } ?? ""))
        }
        if let imageColumn { find(imageColumn, as: "image") }
        if let textColumn { find(textColumn, as: "text") }
        if let idColumn { find(idColumn, as: "id") }
        if let splitColumn { find(splitColumn, as: "split") }
        for column in columns.keys.sorted() { find(column, as: "task") }

        let content = content(present)
        if let imageColumn, let textColumn {
            problems.add(
                "the image column `\(imageColumn)` and the text column `\(textColumn)` are both named; name the one that "
                    + "examples are made of")
        } else if content == nil && !table.rows.isEmpty {
            problems.add(
                "there is no image column and no text column: expected \(Self.imageColumns.joined(separator: ", ")) or "
                    + "\(Self.textColumn), or one named by the caller, found \(present.joined(separator: ", "))")
        }
        let id = idColumn ?? (present.contains("id") ? "id" : nil)
        let split = splitColumn ?? (present.contains("split") ? "split" : nil)
        var tasks = columns.sorted { $0.key < $1.key }.map { (column: $0.key, kind: $0.value) }
        if tasks.isEmpty {
            for column in present where ![content?.column, id, split].contains(column) {
                if let kind = table.inferredKind(of: column, &problems) { tasks.append((column, kind)) }
            }
        }
        return ManifestRoles(content: content ?? .image(""), id: id, split: split, tasks: tasks)
    }

    private func content(_ present: [String]) -> ManifestRoles.Content? {
        if let textColumn { return .text(textColumn) }
        if let image = imageColumn ?? Self.imageColumns.first(where: present.contains) { return .image(image) }
        return present.contains(Self.textColumn) ? .text(Self.textColumn) : nil
    }
}

/// Rows of named values, from either kind of file.
struct ManifestTable {
    /// In the order in which they first occur.
    private(set) var columns: [String] = []
    private(set) var rows: [ManifestRow] = []

    init(csv: CSVTable) {
        columns = csv.header
        rows = csv.rows.map { row in
            ManifestRow(
                line: row.line, isCSV: true,
                values: Dictionary(zip(csv.header, row.fields.map(JSON.string)), uniquingKeysWith: { $1 }))
        }
    }

    init(jsonLines data: Data, problems: inout ProblemList) {
        var seen: Set<String> = []
        for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
            do {
                let value = try line.withUnsafeBytes { try JSON(parsing: $0) }
                guard let members = value.members else {
                    problems.add("expected an object, found \(value.kind)", line: index + 1)
                    continue
                }
                for member in members where seen.insert(member.key).inserted { columns.append(member.key) }
                let values = Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
                rows.append(ManifestRow(line: index + 1, isCSV: false, values: values))
            } catch {
                problems.add("not a JSON object: \(error) of the line", line: index + 1)
            }
        }
    }

    /// What a column seems to hold; nil when it holds nothing at all.
    ///
    /// JSONL: by type. CSV: all decimals, a number; some value with `;` or `[…]`, a list of classes. Strings in both:
    /// a text when more than half of the values differ and some has a space, else one class.
    func inferredKind(of column: String, _ problems: inout ProblemList) -> LabelKind? {
        var (numbers, lists, strings) = (0, 0, 0)
        var (distinct, hasSpace): (Set<String>, Bool) = ([], false)
        for row in rows {
            switch row.values[column] {
            case .null, nil: continue
            case .integer, .number: numbers += 1
            case .array: lists += 1
            case .string(let text):
                if text.isEmpty && row.isCSV { continue }
                if row.isCSV && Double(text).map(\.isFinite) == true {
                    numbers += 1
                } else if row.isCSV && (text.contains(";") || text.hasPrefix("[") && text.hasSuffix("]")) {
                    lists += 1
                } else {
                    strings += 1
                }
                distinct.insert(text)
                if text.contains(" ") { hasSpace = true }
            case .bool(_), .object(_):
                problems.add(
                    "the column `\(column)` holds \(row.values[column]!.kind), which no task reads; name the columns "
                        + "to read", line: row.line)
                return nil
            }
        }
        let count = numbers + lists + strings
        if count == 0 { return nil }
        if lists > 0 { return .categories }
        if numbers == count { return .number }
        return distinct.count * 2 > count && hasSpace ? .text : .category
    }
}

/// One example's values, as the file has them.
struct ManifestRow {
    let line: Int
    /// Whether all values are text that may stand for something else, and empty ones for nothing.
    let isCSV: Bool
    let values: [String: JSON]

    /// A value that must be a string or a number, as text; nil where there is none.
    func text(of column: String, _ problems: inout ProblemList) -> String? {
        switch values[column] {
        case .null, nil: return nil
        case .string(let text): return text
        case .integer(let number): return String(number)
        case .number(let number): return String(number)
        case .some(let other):
            problems.add("`\(column)` is \(other.kind); expected a string", line: line)
            return nil
        }
    }

    func label(of column: String, as kind: LabelKind, _ problems: inout ProblemList) -> Label? {
        guard let value = values[column], !value.isNull, !(isCSV && value.string == "") else { return nil }
        func complain(_ expected: String) -> Label? {
            let found = value.string.map { "`\($0.prefix(60))`" } ?? value.kind
            problems.add("`\(column)` is \(found); expected \(expected)", line: line)
            return nil
        }
        switch kind {
        case .category:
            guard let name = text(of: column, &problems) else { return nil }
            let trimmed = name.trimmingCharacters(in: .whitespacesAndNewlines)
            return trimmed.isEmpty ? complain("a class") : .category(trimmed)
        case .text:
            return text(of: column, &problems).map { .text($0) }
        case .number:
            if case .number(let number) = value { return .number(number) }
            if case .integer(let number) = value { return .number(Double(number)) }
            if isCSV, case .string(let text) = value, let number = Double(text.trimmingCharacters(in: .whitespaces)),
                number.isFinite
            {
                return .number(number)
            }
            return complain("a finite number")
        case .categories:
            guard let names = classNames(value) else { return complain("a list of classes") }
            var unique: [String] = []
            for name in names where !unique.contains(name) { unique.append(name) }
            return .categories(unique)
        }
    }

    private func classNames(_ value: JSON) -> [String]? {
        switch value {
        case .array(let items):
            let names = items.compactMap { item in
                if case .string(let name) = item { name.trimmingCharacters(in: .whitespacesAndNewlines) } else { nil }
            }
            return names.count == items.count && !names.contains("") ? names : nil
        case .string(let text) where isCSV && text.hasPrefix("["):
            do {
                return classNames(try Data(text.utf8).withUnsafeBytes { try JSON(parsing: $0) })
            } catch {
                return nil  // the caller reports the cell
            }
        case .string(let text) where isCSV:
            return text.split(separator: ";").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
                .filter { !$0.isEmpty }
        default:
            return nil
        }
    }
}
