import Foundation
import PandoTestSupport
import Testing

@testable import PandoData

@Suite struct SplitRuleTests {
    @Test func theRuleIsTheFirstEightDigitsModuloAHundred() {
        // sha256("abc") begins with ba7816bf = 3128432319, modulo 100 is 19; sha256("") with e3b0c442 = 3820012610: 10.
        #expect(SplitRule.split(of: "abc") == .train)
        #expect(SplitRule.split(of: "") == .train)
        let shares = Dictionary((0..<4000).map { (SplitRule.split(of: "example \($0)"), 1) }, uniquingKeysWith: +)
        #expect(abs(shares[.train]! - 2800) < 150 && abs(shares[.validation]! - 600) < 100)
        // Found with Python's hashlib.
        #expect(SplitRule.split(of: "food/fruit/apple") == .train)
        #expect(["x82", "x99", "x54", "x346"].map(SplitRule.split) == [.train, .validation, .validation, .test])  // 69, 70, 84, 85
    }

    @Test func onlySplitsThatAreMissingAreDrawnFromTrain() {
        func examples(_ splits: [Split]) -> [Example] {
            (0..<300).map { Example(id: "e\($0)", split: splits[$0 % splits.count], image: nil, labels: [:]) }
        }
        var all = examples([.train, .test])
        SplitRule.complete(&all)
        for (index, example) in all.enumerated() {
            if index % 2 == 1 {
                #expect(example.split == .test)
            } else {
                #expect(example.split == (SplitRule.split(of: example.id) == .validation ? .validation : .train))
            }
        }
        #expect(all.contains { $0.split == .validation })
        var whole = examples([.train, .validation, .test])
        SplitRule.complete(&whole)
        #expect(whole.map(\.split) == examples([.train, .validation, .test]).map(\.split))
    }
}

@Suite struct ImageFolderTests {
    private func folder(_ files: [String]) throws -> TemporaryDirectory {
        let root = try TemporaryDirectory()
        for file in files {
            let url = root.file(file)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data([1]).write(to: url)
        }
        return root
    }

    @Test func foldersAreClasses() throws {
        let root = try folder(["cat/1.png", "cat/deep/2.JPG", "dog/3.webp", "dog/notes.txt", ".cache/4.png", "read.me"])
        let dataset = try ImageFolder.dataset(at: root.url)
        #expect(dataset.examples.map(\.id) == ["cat/1.png", "cat/deep/2.JPG", "dog/3.webp"])
        #expect(dataset.examples.map { $0.labels["label"] } == [.category("cat"), .category("cat"), .category("dog")])
        #expect(dataset.examples.allSatisfy { $0.split == SplitRule.split(of: $0.id) })
    }

    @Test func foldersOfSplitsAreRespected() throws {
        let root = try folder(
            (0..<40).map { "train/cat/\($0).png" } + ["val/cat/a.png", "val/dog/b.png"])
        let dataset = try ImageFolder.dataset(at: root.url)
        #expect(dataset.examples(in: .validation).map(\.id) == ["val/cat/a.png", "val/dog/b.png"])
        // No folder for test: it takes its share of train.
        let test = dataset.examples(in: .test)
        #expect(!test.isEmpty && test.allSatisfy { SplitRule.split(of: $0.id) == .test })
    }

    @Test func foldersThatMakeNoSenseAreRefused() throws {
        func message(_ files: [String]) throws -> String {
            let root = try folder(files)
            do throws(DatasetError) {
                _ = try ImageFolder.dataset(at: root.url)
                return "read"
            } catch {
                return "\(error)"
            }
        }
        #expect(try message(["train/cat/1.png", "tset/cat/2.png"]).contains("did you mean `test`?"))
        #expect(try message(["cat/1.png", "dog/none.txt"]).contains("holds no picture"))
        #expect(try message(["1.png"]).contains("expected a folder for each class"))
        #expect(throws: DatasetError.self) { try ImageFolder.dataset(at: URL(fileURLWithPath: "/nowhere")) }
    }
}

@Suite struct DatasetReportTests {
    private func dataset(_ rows: [(Split, Label?)]) -> Dataset {
        Dataset(
            name: "d",
            examples: rows.enumerated().map { index, row in
                Example(id: "\(index)", split: row.0, image: nil, labels: row.1.map { ["c": $0] } ?? [:])
            })
    }

    /// Two classes, twice in each split.
    private var sound: [(Split, Label?)] {
        Split.allCases.flatMap { split in ["a", "b", "a", "b"].map { (split, Label.category($0)) } }
    }

    private func errors(_ rows: [(Split, Label?)]) -> [String] {
        DatasetReport(checking: dataset(rows)).errors.map(\.message)
    }

    @Test func nothingIsSaidOfASoundDataSet() throws {
        let report = DatasetReport(checking: dataset(sound))
        #expect(report.findings.isEmpty)
        try report.check()
    }

    @Test func aLabelThatOccursOnlyInTestIsAnError() {
        let found = errors(sound + [(.test, .category("c")), (.test, .category("c"))])
        #expect(found.count == 1 && found[0].contains("the class `c` has no example in train"))
        #expect(errors(sound + [(.test, .categories(["c"]))]).first?.contains("one kind") == true)
    }

    @Test func aClassWithOneExampleIsAnError() {
        let found = errors(sound + [(.train, .category("once"))])
        #expect(found.count == 1 && found[0].contains("`once` has only one example"))
    }

    @Test func anEmptySplitIsAnError() throws {
        let report = DatasetReport(checking: dataset(sound.filter { $0.0 != .validation }))
        #expect(report.errors.count == 1 && report.errors[0].message.contains("validation is empty"))
        #expect(throws: DatasetError.self) { try report.check() }
    }

    @Test func columnsWithoutUseAreErrors() {
        #expect(errors(sound.map { ($0.0, $0.0 == .train ? nil : $0.1) })[0].contains("nothing to learn from"))
        #expect(errors(sound.map { ($0.0, .category("same")) })[0].contains("at least two classes"))
        let report = DatasetReport(checking: dataset(sound), columns: ["c", "cc"])
        #expect(report.errors.count == 1 && report.errors[0].message.contains("did you mean `c`?"))
    }

    @Test func whatOnlyWeakensAMetricIsAWarning() throws {
        let report = DatasetReport(checking: dataset(sound + [(.train, .category("c")), (.train, .category("c"))]))
        #expect(report.errors.isEmpty && report.warnings.count == 2)
        try report.check()
        let numbers = DatasetReport(checking: dataset(Split.allCases.map { ($0, .number(4)) }))
        #expect(numbers.warnings.map(\.message) == ["every number is 4.0; there is nothing to tell apart"])
    }

    @Test func statisticsCountWhatThereIs() throws {
        let rows: [(Split, Label?)] = [
            (.train, .categories(["x", "y"])), (.train, .categories(["x"])), (.test, .categories([])), (.test, nil),
        ]
        let statistics = DatasetStatistics(of: dataset(rows))
        #expect(statistics.splits == ["train": 2, "validation": 0, "test": 2])
        let column = try #require(statistics.columns.first)
        #expect(column.labelled == ["train": 2, "test": 1] && column.kind == .categories)
        #expect(column.classes.map(\.name) == ["x", "y"] && column.classes[0].counts == ["train": 2])
        let numbers = DatasetStatistics(of: dataset([(.train, .number(1)), (.train, .number(3))])).columns[0].numbers
        #expect(numbers?.mean == 2 && numbers?.deviation == 1 && numbers?.minimum == 1 && numbers?.maximum == 3)
        let words = DatasetStatistics(of: dataset([(.train, .text("two words"))])).columns[0].words
        #expect(words?.mean == 2)
    }

    @Test func `texts are measured, and those that spoil a metric are told`() throws {
        let rows: [(Split, String)] = [
            (.train, "two words"), (.train, "one more time"), (.train, "one more time"), (.test, "one more time"),
            (.validation, " \n"), (.test, "new"),
        ]
        let examples = rows.enumerated().map { index, row in
            Example(
                id: "\(index)", split: row.0, image: nil, labels: ["n": .number(Double(index))], text: row.1)
        }
        let dataset = Dataset(name: "d", examples: examples)
        let texts = try #require(DatasetStatistics(of: dataset).texts)
        #expect(texts.count == 6 && texts.repeatedCount == 2 && texts.emptyCount == 1 && texts.leakedCount == 1)
        #expect(texts.words.maximum == 3 && texts.characters.minimum == 2 && texts.characters.maximum == 13)
        #expect("\(texts)".hasPrefix("6 texts of 0 to 3 (2 on average) words, 2 to 13 (9 on average) characters; 2"))
        let report = DatasetReport(checking: dataset)
        #expect(report.errors.isEmpty && report.warnings.count == 2)
        #expect(report.warnings[0].message.hasPrefix("1 of 6 texts are empty"))
        #expect(report.warnings[1].message.hasPrefix("1 texts of validation and test stand in train too"))
        #expect(DatasetStatistics(of: Dataset(name: "e", examples: [])).texts == nil)
    }

    @Test func classesCanBeTakenOut() {
        let rows: [(Split, Label?)] = [
            (.train, .categories(["x", "y"])), (.train, .category("y")), (.test, .category("x")),
        ]
        let kept = dataset(rows).keepingClasses(of: "c") { $0 == "x" }
        #expect(kept.examples.map { $0.labels["c"] } == [.categories(["x"]), nil, .category("x")])
        #expect(kept.classes(of: "c") == ["x"])
    }
}
