import PandoData
import Testing

@testable import PandoTraining

@Suite struct TaskDataTests {
    private func dataset(_ labels: [(Split, [String: Label])]) -> Dataset {
        Dataset(
            name: "small",
            examples: labels.enumerated().map { Example(id: "\($0)", split: $1.0, image: nil, labels: $1.1) })
    }

    private func problems(_ task: TaskPlan, _ dataset: Dataset) -> [String] {
        do {
            _ = try TaskData.prepare(Plan(name: "p", data: DataPlan(kind: .csv), tasks: [task]), on: dataset)
            Issue.record("the data was taken")
            return []
        } catch { return error.problems }
    }

    private func categories(_ names: [(Split, String)]) -> Dataset { dataset(names.map { ($0, ["kind": .category($1)]) }) }

    private let fine: [(Split, String)] = [
        (.train, "a"), (.train, "b"), (.train, "a"), (.train, "b"), (.validation, "a"), (.test, "b"),
    ]

    @Test func `labels become numbers in alphabetical order, and rows are places in the data set`() throws {
        let data = dataset([
            (.train, ["kind": .category("b"), "tags": .categories(["y", "x", "y"])]),
            (.train, ["kind": .category("a"), "tags": .categories([])]), (.test, ["kind": .category("b"), "tags": .categories(["x"])]),
            (.train, ["tags": .categories(["y", "x"])]), (.validation, ["kind": .category("a"), "tags": .categories(["y"])]),
        ])
        let plan = Plan(
            name: "p", data: DataPlan(kind: .csv),
            tasks: [TaskPlan(name: "kind", kind: .classification), TaskPlan(name: "t", kind: .multilabel, column: "tags")])
        let tasks = try TaskData.prepare(plan, on: data)
        #expect(tasks[0].labels.names == ["a", "b"])
        #expect(tasks[0].examples(in: .train).rows == [0, 1])
        guard case .classes(let classes) = tasks[0].examples(in: .train).targets else { throw TestFailure() }
        #expect(classes == [1, 0])
        #expect(tasks[1].examples(in: .train).rows == [0, 1, 3])
        guard case .labels(let labels, count: 2) = tasks[1].examples(in: .train).targets else { throw TestFailure() }
        #expect(labels == [[0, 1], [], [0, 1]])
    }

    @Test func `equal texts share a row of the text features`() throws {
        let data = dataset([
            (.train, ["note": .text("one")]), (.train, ["note": .text("two")]), (.validation, ["note": .text("one")]),
            (.test, ["note": .text("three")]),
        ])
        let plan = Plan(name: "p", data: DataPlan(kind: .csv), tasks: [TaskPlan(name: "note", kind: .retrieval)])
        let task = try TaskData.prepare(plan, on: data)[0]
        #expect(task.texts == ["one", "two", "three"])
        guard case .texts(let rows) = task.examples(in: .validation).targets else { throw TestFailure() }
        #expect(rows == [0])
    }

    @Test func `a column that labels nothing is refused with the near miss`() {
        #expect(
            problems(TaskPlan(name: "kinds", kind: .classification), categories(fine)) == [
                "tasks.kinds: the column 'kinds' labels no example; did you mean 'kind'?"
            ])
    }

    @Test func `labels of another kind are refused`() {
        let found = problems(TaskPlan(name: "kind", kind: .regression), categories(fine))
        #expect(found == ["tasks.kind: a regression task needs a number for each example; the column 'kind' holds one class"])
    }

    @Test func `an empty split is refused`() {
        let found = problems(TaskPlan(name: "kind", kind: .classification), categories(fine.filter { $0.0 != .validation }))
        #expect(found == ["tasks.kind: the validation split has no example labelled in 'kind'"])
    }

    @Test func `a label that occurs only in test and a class of one example are refused, unless the plan leaves them out`() throws {
        let rare = fine + [(.test, "unseen"), (.test, "unseen"), (.train, "single")]
        var task = TaskPlan(name: "kind", kind: .classification)
        let found = problems(task, categories(rare))
        #expect(found.count == 2)
        #expect(found[0].contains("the label 'unseen' stands only outside the training split"))
        #expect(found[1].contains("the label 'single' stands on one example alone"))
        #expect(found.allSatisfy { $0.contains("minimum_count") })
        task.minimumCount = 2
        let data = try TaskData.prepare(
            Plan(name: "p", data: DataPlan(kind: .csv), tasks: [task]), on: categories(rare))[0]
        #expect(data.labels.names == ["a", "b"])
        #expect(data.examples(in: .test).rows == [5])
        #expect(data.examples(in: .train).rows == [0, 1, 2, 3])
    }

    @Test func `a single class is no task`() {
        let found = problems(
            TaskPlan(name: "kind", kind: .classification), categories(fine.map { ($0.0, "a") }))
        #expect(found == ["tasks.kind: there is only the class 'a'; a classification needs two"])
    }

    @Test func `a label map that would be empty is refused`() {
        var task = TaskPlan(name: "kind", kind: .classification)
        task.minimumCount = 100
        #expect(problems(task, categories(fine)).contains { $0.contains("no label stands on 100 training examples") })
        let noTags = dataset([Split.train, .validation, .test].map { ($0, ["tags": .categories([])]) })
        #expect(
            problems(TaskPlan(name: "tags", kind: .multilabel), noTags) == [
                "tasks.tags: the column 'tags' names no label in the training split"
            ])
    }

    @Test func `numbers that are not finite are refused by example`() {
        let numbers: [(Split, Double)] = [(.train, 1), (.train, .infinity), (.validation, 2), (.test, 3)]
        let data = dataset(numbers.map { ($0, ["n": .number($1)]) })
        #expect(problems(TaskPlan(name: "n", kind: .regression), data) == ["tasks.n: 1 number is not finite, the first at '1'"])
    }

    @Test func `the problems of all tasks come at once`() {
        do {
            _ = try TaskData.prepare(
                Plan(
                    name: "p", data: DataPlan(kind: .csv),
                    tasks: [TaskPlan(name: "x", kind: .regression), TaskPlan(name: "y", kind: .retrieval)]),
                on: categories(fine))
            Issue.record("the data was taken")
        } catch { #expect(error.problems.count == 2) }
    }
}

private struct TestFailure: Error {}
