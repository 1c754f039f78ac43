/// What is wrong with a data set before anything is trained on it.
///
/// Errors, which must stop a training: an empty split; a column that nobody is labelled in, that train is not labelled
/// in, or whose labels are of several kinds; a class that train never shows; a class with a single example; a column
/// of classes with fewer than two. Warnings: a class that validation or test never shows; numbers that are all equal;
/// a split without labels in a column; texts that are empty, or stand both in train and in another split.
public struct DatasetReport: Sendable, Hashable, CustomStringConvertible {
    public enum Severity: String, Sendable, Hashable, Codable { case error, warning }

    public struct Finding: Sendable, Hashable, Codable {
        public var severity: Severity
        /// Nil when it concerns the whole data set.
        public var column: String?
        /// What was found, and what to do.
        public var message: String
    }

    public var dataset: String
    public private(set) var findings: [Finding] = []

    /// - Parameter columns: those that tasks use; nil means all there are.
    public init(checking dataset: Dataset, columns: [String]? = nil) {
        self.dataset = dataset.name
        let statistics = DatasetStatistics(of: dataset)
        for split in Split.allCases where statistics.splits[split.rawValue] == 0 {
            add(
                .error, nil,
                "the split \(split.rawValue) is empty; name examples for it, or leave splitting to the rule")
        }
        if let texts = statistics.texts { check(texts) }
        for name in columns ?? statistics.columns.map(\.name) {
            if let column = statistics.columns.first(where: { $0.name == name }) {
                check(column, in: dataset, splits: statistics.splits)
            } else {
                let near = nearMiss(to: name, among: statistics.columns.map(\.name))
                let present = statistics.columns.map(\.name).joined(separator: ", ")
                add(
                    .error, name,
                    "no example has such a label; the columns are \(present)"
                        + (near.map { "; did you mean `\($0)`?" } ?? ""))
            }
        }
    }

    public var errors: [Finding] { findings.filter { $0.severity == .error } }
    public var warnings: [Finding] { findings.filter { $0.severity == .warning } }

    /// Throws all errors found, if any.
    public func check() throws(DatasetError) {
        if errors.isEmpty { return }
        throw DatasetError(
            errors.map { finding in
                .init(file: dataset, message: (finding.column.map { "column `\($0)`: " } ?? "") + finding.message)
            })
    }

    public var description: String {
        findings.isEmpty
            ? "\(dataset): nothing to object to"
            : findings.map { finding in
                "\(finding.severity.rawValue): \(finding.column.map { "column `\($0)`: " } ?? "")\(finding.message)"
            }.joined(separator: "\n")
    }

    private mutating func add(_ severity: Severity, _ column: String?, _ message: String) {
        findings.append(Finding(severity: severity, column: column, message: message))
    }

    private mutating func check(_ texts: DatasetStatistics.Texts) {
        if texts.emptyCount > 0 {
            add(
                .warning, nil,
                "\(texts.emptyCount) of \(texts.count) texts are empty; there is nothing to tell them apart by")
        }
        if texts.leakedCount > 0 {
            add(
                .warning, nil,
                "\(texts.leakedCount) texts of validation and test stand in train too; their metrics will be too good")
        }
    }

    private mutating func check(_ column: DatasetStatistics.Column, in dataset: Dataset, splits: [String: Int]) {
        let kinds = Set(dataset.examples.compactMap { $0.labels[column.name]?.kind })
        if kinds.count > 1 {
            let names = kinds.map(\.explanation).sorted().joined(separator: " and ")
            add(.error, column.name, "labels must be of one kind, found \(names)")
            return
        }
        if column.labelled[Split.train.rawValue, default: 0] == 0 {
            add(.error, column.name, "no example of train is labelled; there is nothing to learn from")
            return
        }
        for split in [Split.validation, .test]
        where splits[split.rawValue, default: 0] > 0 && column.labelled[split.rawValue, default: 0] == 0 {
            add(.warning, column.name, "no example of \(split.rawValue) is labelled; its metric cannot be measured")
        }
        if let numbers = column.numbers, numbers.minimum == numbers.maximum {
            add(.warning, column.name, "every number is \(numbers.minimum); there is nothing to tell apart")
        }
        if column.kind == .category || column.kind == .categories { checkClasses(column, splits: splits) }
    }

    private mutating func checkClasses(_ column: DatasetStatistics.Column, splits: [String: Int]) {
        func names(_ isMeant: (DatasetStatistics.ClassCount) -> Bool) -> [String] {
            column.classes.filter(isMeant).map(\.name).sorted()
        }
        if column.kind == .category ? column.classes.count < 2 : column.classes.isEmpty {
            add(.error, column.name, "expected at least two classes, found \(column.classes.map(\.name))")
        }
        let single = names { $0.total == 1 }
        if !single.isEmpty {
            add(
                .error, column.name,
                "\(Self.listed(single)) only one example; give more, or take the class out of the data")
        }
        let unseen = names { $0.total > 1 && $0.counts[Split.train.rawValue, default: 0] == 0 }
        if !unseen.isEmpty {
            add(
                .error, column.name,
                "\(Self.listed(unseen)) no example in train, only in other splits; move some to train, or take the "
                    + "class out of the data")
        }
        for split in [Split.validation, .test] where column.labelled[split.rawValue, default: 0] > 0 {
            let absent = names { $0.counts[split.rawValue, default: 0] == 0 && $0.total > 1 }
            if !absent.isEmpty {
                add(
                    .warning, column.name,
                    "\(Self.listed(absent)) no example in \(split.rawValue); how well it is told cannot be measured")
            }
        }
    }

    /// The classes, the first ten by name, and the verb.
    private static func listed(_ names: [String]) -> String {
        let shown = names.prefix(10).map { "`\($0)`" }.joined(separator: ", ")
        let rest = names.count - min(names.count, 10)
        return (names.count == 1 ? "the class " : "the classes ") + shown + (rest > 0 ? " and \(rest) more" : "")
            + (names.count == 1 ? " has" : " have each")
    }
}
