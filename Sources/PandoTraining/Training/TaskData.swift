import Foundation
import PandoData
import PandoTensor

/// What one task learns from: its label map, and its labelled examples by split.
public struct TaskData: Sendable {
    public let plan: TaskPlan
    /// The classes or labels; empty for numbers and texts.
    public let labels: LabelMap
    /// The distinct texts, in order of first appearance; empty but for retrieval. `TaskExamples.Targets.texts` are
    /// places in it.
    public let texts: [String]
    public let examples: [Split: TaskExamples]

    public var name: String { plan.name }

    /// The labelled examples of one split.
    public func examples(in split: Split) -> TaskExamples {
        guard let examples = examples[split] else { stop("TaskData: \(name) has no \(split.rawValue) examples") }
        return examples
    }

    /// The same task with at most so many training examples, and so many of each other split.
    package func limited(training: Int, elsewhere: Int) -> TaskData {
        let few = Dictionary(
            uniqueKeysWithValues: examples.map { ($0, $1.prefix($0 == .train ? training : elsewhere)) })
        return TaskData(plan: plan, labels: labels, texts: texts, examples: few)
    }
}

/// Why a plan and its data do not fit, with everything that is wrong.
public struct TaskDataError: Error, Sendable, Equatable, CustomStringConvertible {
    public var data: String
    /// One sentence each, beginning with the task's place in the plan.
    public var problems: [String]

    public var description: String {
        problems.count == 1
            ? "the plan does not fit the data '\(data)': \(problems[0])"
            : "the plan does not fit the data '\(data)':\n" + problems.map { "  \($0)" }.joined(separator: "\n")
    }
}

extension TaskData {
    /// Prepares every task of a plan; row `i` of the features is to be `dataset.examples[i]`.
    ///
    /// Refused: a column that is not there or labels nothing, labels of another kind than the task's, a split without
    /// labelled examples, labels that training cannot learn (they occur only elsewhere, or once) unless
    /// `minimum_count` leaves them out.
    /// - Throws: `TaskDataError` with everything that is wrong, of all tasks.
    public static func prepare(_ plan: Plan, on dataset: Dataset) throws(TaskDataError) -> [TaskData] {
        var problems: [String] = []
        let kinds = dataset.columns
        let tasks = plan.tasks.compactMap { task in
            var preparation = Preparation(task: task, dataset: dataset, kinds: kinds)
            let data = preparation.data()
            problems += preparation.problems.map { "tasks.\(task.name): \($0)" }
            return data
        }
        guard problems.isEmpty else { throw TaskDataError(data: dataset.name, problems: problems) }
        return tasks
    }
}

/// One task's examples on the way from labels to numbers.
private struct Preparation {
    let task: TaskPlan
    let dataset: Dataset
    let kinds: [String: LabelKind]
    var problems: [String] = []

    mutating func data() -> TaskData? {
        guard let kind = kinds[task.column] else {
            let hint = Suggestion.hint(for: task.column, among: kinds.keys.sorted())
            problems.append("the column '\(task.column)' labels no example\(hint)")
            return nil
        }
        guard kind == task.kind.labelKind else {
            problems.append(
                "a \(task.kind.rawValue) task needs \(task.kind.labelKind.explanation) for each example; "
                    + "the column '\(task.column)' holds \(kind.explanation)")
            return nil
        }
        var texts: [String] = []
        let labels: LabelMap
        var targets: [Split: TaskExamples]
        switch task.kind {
        case .classification:
            labels = labelMap()
            targets = examples { label in
                guard case .category(let name) = label else { return nil }
                return labels.number(of: name)
            } targets: { .classes($0) }
        case .multilabel:
            labels = labelMap()
            targets = examples { label -> [Int]? in
                guard case .categories(let names) = label else { return nil }
                return Set(names).compactMap(labels.number(of:)).sorted()
            } targets: { .labels($0, count: labels.count) }
        case .regression:
            labels = LabelMap([])
            targets = examples { label -> Float? in
                guard case .number(let number) = label else { return nil }
                return Float(number)
            } targets: { .numbers($0) }
            checkNumbers()
        case .retrieval:
            labels = LabelMap([])
            var places: [String: Int] = [:]
            targets = examples { label -> Int? in
                guard case .text(let text) = label else { return nil }
                if places[text] == nil {
                    places[text] = texts.count
                    texts.append(text)
                }
                return places[text]
            } targets: { .texts($0) }
        }
        for split in Split.allCases where targets[split]?.count ?? 0 == 0 {
            problems.append("the \(split.rawValue) split has no example labelled in '\(task.column)'")
        }
        return problems.isEmpty ? TaskData(plan: task, labels: labels, texts: texts, examples: targets) : nil
    }

    /// The examples of each split whose label `value` understands.
    private func examples<Value>(
        _ value: (Label) -> Value?, targets: ([Value]) -> TaskExamples.Targets
    ) -> [Split: TaskExamples] {
        var rows: [Split: [Int]] = [:]
        var values: [Split: [Value]] = [:]
        for (row, example) in dataset.examples.enumerated() {
            guard let label = example.labels[task.column], let value = value(label) else { continue }
            rows[example.split, default: []].append(row)
            values[example.split, default: []].append(value)
        }
        return rows.reduce(into: [:]) { result, entry in
            result[entry.key] = TaskExamples(rows: entry.value, targets: targets(values[entry.key] ?? []))
        }
    }

    /// The labels that training sees often enough. Too rare ones are problems, unless the plan leaves them out.
    private mutating func labelMap() -> LabelMap {
        var inTraining: [String: Int] = [:]
        var elsewhere: [String: Int] = [:]
        for example in dataset.examples {
            let names: Set<String>
            switch example.labels[task.column] {
            case .category(let name): names = [name]
            case .categories(let list): names = Set(list)
            case .number, .text, nil: continue
            }
            for name in names {
                if example.split == .train { inTraining[name, default: 0] += 1 } else { elsewhere[name, default: 0] += 1 }
            }
        }
        if let minimum = task.minimumCount {
            let kept = inTraining.filter { $0.value >= minimum }.keys.sorted()
            if kept.isEmpty {
                problems.append("no label stands on \(minimum) training examples; lower minimum_count")
            } else if kept.count == 1, task.kind == .classification {
                problems.append("only the class '\(kept[0])' stands on \(minimum) training examples; there is nothing to tell apart")
            }
            return LabelMap(kept)
        }
        let remedy = "; minimum_count leaves rare labels out"
        let unseen = elsewhere.keys.filter { inTraining[$0] == nil }.sorted()
        if !unseen.isEmpty {
            problems.append("\(named(unseen)) only outside the training split, where nothing can be learned of them\(remedy)")
        }
        let single = inTraining.filter { $0.value + (elsewhere[$0.key] ?? 0) == 1 }.keys.sorted()
        if !single.isEmpty {
            problems.append("\(named(single)) on one example alone, too few to learn and to measure\(remedy)")
        }
        if inTraining.isEmpty {
            problems.append("the column '\(task.column)' names no label in the training split")
        } else if inTraining.count == 1, elsewhere.keys.allSatisfy({ inTraining[$0] != nil }), task.kind == .classification {
            problems.append("there is only the class '\(inTraining.keys.first ?? "")'; a classification needs two")
        }
        return LabelMap(inTraining.keys.sorted())
    }

    private mutating func checkNumbers() {
        let bad = dataset.examples.filter { example in
            guard case .number(let number) = example.labels[task.column] else { return false }
            return !Float(number).isFinite
        }
        if let first = bad.first {
            problems.append("\(bad.count) number\(bad.count == 1 ? " is" : "s are") not finite, the first at '\(first.id)'")
        }
    }

    /// `the label 'a' stands` or `3 labels ('a', 'b', …) stand`.
    private func named(_ labels: [String]) -> String {
        if labels.count == 1 { return "the label '\(labels[0])' stands" }
        let listed = labels.prefix(5).map { "'\($0)'" }.joined(separator: ", ")
        return "\(labels.count) labels (\(listed)\(labels.count > 5 ? ", …" : "")) stand"
    }
}

extension TaskKind {
    /// What a column's labels must be for such a task.
    var labelKind: LabelKind {
        switch self {
        case .classification: .category
        case .multilabel: .categories
        case .regression: .number
        case .retrieval: .text
        }
    }
}
