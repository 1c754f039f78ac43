import Foundation

/// Reads a data set from a table: one row an example, one column for the picture or the text, any number for tasks.
///
/// | | CSV | JSONL (an object a line) |
/// |---|---|---|
/// | one class | text | string |
/// | list of classes | `a;b;c`, or a JSON array; `[]` for none | array of strings |
/// | number | decimal | number |
/// | text | text | string |
/// | not labelled | empty | null, or no such key |
///
/// Columns named in `columns` are read as declared and must exist; without any, all but the image or text, id and
/// split columns are read and their kinds inferred (see `ManifestColumns`).
///
/// Examples are pictures, or texts: one of the two columns may be named. Without either, they are pictures where there
/// is a column of a picture's usual name, and texts where there is only `text`.
///
/// Without a split column, and for splits that no row names, `SplitRule` decides by the id. The id is the id column's
/// value, else the picture's path as written; it must be unique. Texts without an id column have the first 16 digits of
/// their SHA-256 as id, with `-2`, `-3` where they occur again, and the rule goes by the text: equal texts stay
/// together.
public struct Manifest: Sendable {
    /// The CSV (`.csv`) or JSONL (`.jsonl`, `.ndjson`) file.
    public var file: URL
    /// What relative picture paths are relative to; without it, the file's folder.
    public var imageFolder: URL?
    /// The picture's column; without it, the first there is of `image`, `file_name`, `image_path`, `path`, `file`.
    public var imageColumn: String?
    /// The text's column, for examples that are texts; without it and `imageColumn`, `text` where there is no picture.
    public var textColumn: String?
    /// Without it, `id` where there is one.
    public var idColumn: String?
    /// Without it, `split` where there is one.
    public var splitColumn: String?
    /// The task columns to read, and what they hold. Empty: all, inferred.
    public var columns: [String: LabelKind]

    public init(
        file: URL, imageFolder: URL? = nil, imageColumn: String? = nil, idColumn: String? = nil,
        splitColumn: String? = nil, columns: [String: LabelKind] = [:], textColumn: String? = nil
    ) {
        self.file = file
        self.imageFolder = imageFolder
        self.imageColumn = imageColumn
        self.idColumn = idColumn
        self.splitColumn = splitColumn
        self.columns = columns
        self.textColumn = textColumn
    }

    static let imageColumns = ["image", "file_name", "image_path", "path", "file"]
    static let textColumn = "text"

    /// - Throws: `DatasetError` with file and line of every problem, up to 20 listed.
    public func dataset() throws(DatasetError) -> Dataset {
        var problems = ProblemList(file: file.path)
        let table = try table(&problems)
        let roles = columnRoles(table, &problems)
        try problems.check()

        var examples: [Example] = []
        var firstLines: [String: Int] = [:]
        var repeats: [String: Int] = [:]
        // What the rule goes by: equal texts stay together, unless rows have names of their own.
        func key(_ example: Example) -> String { (roles.id == nil ? example.text : nil) ?? example.id }
        for row in table.rows {
            guard var example = example(of: row, roles.content, &problems) else { continue }
            if let id = roles.id.flatMap({ row.text(of: $0, &problems) }) {
                example.id = id
            } else if let text = example.text {
                repeats[text, default: 0] += 1
                if let count = repeats[text], count > 1 { example.id += "-\(count)" }
            }
            if let first = firstLines.updateValue(row.line, forKey: example.id) {
                problems.add(
                    "the id `\(example.id)` occurs already on line \(first); "
                        + (roles.id == nil ? "give the rows an `id` column" : "ids must be unique"), line: row.line)
            }
            example.split = SplitRule.split(of: key(example))
            if let column = roles.split {
                let name = row.text(of: column, &problems) ?? ""
                if let named = Split(named: name) {
                    example.split = named
                } else {
                    let near = nearMiss(to: name, among: ["train", "validation", "test"])
                    problems.add(
                        "the split `\(name)` is unknown; expected train, validation or test"
                            + (near.map { "; did you mean `\($0)`?" } ?? ""), line: row.line)
                }
            }
            for (column, kind) in roles.tasks { example.labels[column] = row.label(of: column, as: kind, &problems) }
            examples.append(example)
        }
        if table.rows.isEmpty { problems.add("expected at least one example, found none") }
        checkPictures(examples, &problems)
        try problems.check()
        if roles.split != nil { SplitRule.complete(&examples, by: key) }
        return Dataset(name: file.deletingPathExtension().lastPathComponent, examples: examples)
    }

    private func table(_ problems: inout ProblemList) throws(DatasetError) -> ManifestTable {
        let data: Data
        do {
            data = try Data(contentsOf: file)
        } catch {
            let isThere = FileManager.default.fileExists(atPath: file.path)
            throw DatasetError([
                .init(file: file.path, message: isThere ? "cannot be read (\(error.localizedDescription))" : "there is no such file")
            ])
        }
        switch file.pathExtension.lowercased() {
        case "csv": return ManifestTable(csv: CSVTable(data, problems: &problems))
        case "jsonl", "ndjson": return ManifestTable(jsonLines: data, problems: &problems)
        case let other:
            throw DatasetError([
                .init(file: file.path, message: "`.\(other)` is no known table; expected .csv, .jsonl or .ndjson")
            ])
        }
    }

    /// A row's picture or text, under the id that it gives; nil, with a problem told, where there is none.
    private func example(
        of row: ManifestRow, _ content: ManifestRoles.Content, _ problems: inout ProblemList
    ) -> Example? {
        switch content {
        case .image(let column):
            if let path = row.text(of: column, &problems), !path.isEmpty {
                return Example(id: path, split: .train, image: .file(url(of: path)), labels: [:])
            }
            problems.add("the image column `\(column)` is empty", line: row.line)
        case .text(let column):
            if let text = row.text(of: column, &problems), !(row.isCSV && text.isEmpty) {
                let id = String(SHA256.hash(data: Data(text.utf8)).hexadecimal.prefix(16))
                return Example(id: id, split: .train, image: nil, labels: [:], text: text)
            }
            problems.add("the text column `\(column)` is empty", line: row.line)
        }
        return nil
    }

    private func url(of path: String) -> URL {
        if path.hasPrefix("/") { return URL(fileURLWithPath: path) }
        return (imageFolder ?? file.deletingLastPathComponent()).appendingPathComponent(path)
    }

    /// Finds a wrong folder before hours of decoding do. Single missing pictures are the decoder's to report.
    private func checkPictures(_ examples: [Example], _ problems: inout ProblemList) {
        let urls = examples.compactMap { example in
            if case .file(let url)? = example.image { url } else { nil }
        }
        if let first = urls.first, !urls.contains(where: { FileManager.default.fileExists(atPath: $0.path) }) {
            problems.add("none of the \(urls.count) pictures exists, such as \(first.path); check the image folder")
        }
    }
}
