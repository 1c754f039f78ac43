import Foundation
import PandoTestSupport
import Testing

@testable import PandoData

@Suite struct ManifestTests {
    /// Reads a table beside which `a.png` ... `d.png` lie.
    private func read(_ name: String, _ text: String, _ change: (inout Manifest) -> Void = { _ in }) throws -> Dataset {
        let folder = try TemporaryDirectory()
        for picture in ["a", "b", "c", "d"] { _ = try folder.file("\(picture).png", holding: [1]) }
        var manifest = Manifest(file: try folder.file(name, holding: Array(text.utf8)))
        change(&manifest)
        return try manifest.dataset()
    }

    private func problems(_ name: String, _ text: String, _ change: (inout Manifest) -> Void = { _ in }) throws
        -> [String]
    {
        do {
            _ = try read(name, text, change)
            return []
        } catch let error as DatasetError {
            #expect(error.count >= error.problems.count)
            return error.problems.map { "\($0.line ?? 0): \($0.message)" }
        }
    }

    @Test func aTableOfEveryKindIsInferred() throws {
        let dataset = try read(
            "t.csv",
            #"""
            image,kind,tags,price,title,split,id
            a.png,cat,big;red,1.5,a big red cat,train,1
            b.png,dog,[],-2,"a dog, ""Rex""",val,2
            c.png,cat,"[""red"", ""x;y""]",3e2,"two
            lines",test,3
            d.png,,,,,train,4

            """#)
        #expect(dataset.name == "t" && dataset.examples.map(\.id) == ["1", "2", "3", "4"])
        #expect(dataset.columns == ["kind": .category, "tags": .categories, "price": .number, "title": .text])
        #expect(dataset.examples[0].labels["tags"] == .categories(["big", "red"]))
        #expect(
            dataset.examples[1].labels == [
                "kind": .category("dog"), "tags": .categories([]), "price": .number(-2),
                "title": .text("a dog, \"Rex\""),
            ])
        #expect(dataset.examples[2].labels["tags"] == .categories(["red", "x;y"]))
        #expect(dataset.examples[2].labels["title"] == .text("two\nlines"))
        #expect(dataset.examples[3].labels.isEmpty)
        #expect(dataset.examples.map(\.split) == [.train, .validation, .test, .train])
        #expect(dataset.examples[0].image?.name.hasSuffix("/a.png") == true)
    }

    @Test func declaredColumnsAreReadAsDeclaredAndNoOthers() throws {
        let dataset = try read("t.csv", "file_name,year,note\na.png,1990,x\nb.png,2001,y\n") {
            $0.columns = ["year": .category]
        }
        #expect(dataset.examples.map(\.labels) == [["year": .category("1990")], ["year": .category("2001")]])
        #expect(dataset.examples[0].split == SplitRule.split(of: "a.png"))
    }

    @Test func linesOfJSONReadLikeRows() throws {
        let dataset = try read(
            "t.jsonl",
            """
            {"image": "a.png", "label": "cat", "tags": ["x", "y", "x"], "size": 3, "caption": "one thing here"}

            {"image": "b.png", "label": null, "tags": [], "caption": "another thing"}
            {"image": "c.png", "size": 2.5}
            """)
        #expect(
            dataset.examples[0].labels == [
                "label": .category("cat"), "tags": .categories(["x", "y"]), "size": .number(3),
                "caption": .text("one thing here"),
            ])
        #expect(dataset.examples[1].labels == ["tags": .categories([]), "caption": .text("another thing")])
        #expect(dataset.examples[2].labels == ["size": .number(2.5)])
    }

    @Test func byteOrderMarksAndWindowsLineEndsAreRead() throws {
        let dataset = try read("t.csv", "\u{FEFF}image,kind\r\na.png,cat\r\nb.png,\"d\r\nog\"\r\n")
        #expect(dataset.examples.map { $0.labels["kind"] } == [.category("cat"), .category("d\r\nog")])
    }

    @Test func `texts are examples as pictures are`() throws {
        let table = "text,kind,split\nhello there,a,train\nbye,b,test\nhello there,b,train\n"
        let dataset = try read("t.csv", table)
        #expect(dataset.examples.map(\.text) == ["hello there", "bye", "hello there"])
        #expect(dataset.examples.allSatisfy { $0.image == nil } && dataset.columns == ["kind": .category])
        // sha256("hello there") begins so, by Python's hashlib.
        #expect(dataset.examples.map(\.id) == ["12998c017066eb0d", "b49f425a7e1f9cff", "12998c017066eb0d-2"])
        #expect(dataset.examples[1].split == .test)
        let named = try read("t.csv", "review,id,path\nfine,1,x\nfine,2,y\n") { $0.textColumn = "review" }
        #expect(named.examples.map(\.id) == ["1", "2"] && named.columns == ["path": .category])
        #expect(named.examples.map(\.split) == ["1", "2"].map(SplitRule.split))
        // A picture's usual column comes first; its text is then a task.
        #expect(try read("t.csv", "file,text\na.png,b c\nb.png,c d\n").columns == ["text": .text])
    }

    @Test func `equal texts stay in one split`() throws {
        let lines = (0..<200).map { #"{"text": "text \#($0 / 2)", "split": "train"}"# }
        let dataset = try read("t.jsonl", lines.joined(separator: "\n"))
        for (index, example) in dataset.examples.enumerated() {
            #expect(example.split == SplitRule.split(of: "text \(index / 2)"))
        }
        #expect(Set(dataset.examples.map(\.id)).count == 200)
    }

    // MARK: - Bad input

    @Test func `an example is a picture or a text`() throws {
        let both = try problems("t.csv", "image,text\na.png,x\n") {
            $0.imageColumn = "image"
            $0.textColumn = "text"
        }
        #expect(both.count == 1 && both[0].contains("both named"))
        let missing = try problems("t.csv", "txet,a\nx,y\n") { $0.textColumn = "text" }
        #expect(missing.count == 1 && missing[0].contains("no text column `text`") && missing[0].contains("`txet`?"))
        #expect(try problems("t.csv", "text,a\n,y\n") == ["2: the text column `text` is empty"])
        #expect(try problems("t.jsonl", #"{"text": ["x"]}"#).first?.contains("`text` is a list") == true)
    }

    @Test func everyProblemIsNamedWithItsLine() throws {
        let found = try problems(
            "t.csv",
            """
            image,price,split
            a.png,cheap,train
            ,1,train
            b.png,2,tset
            a.png,nan,test
            c.png,1
            """
        ) { $0.columns = ["price": .number] }
        #expect(found == ["6: expected 3 fields, as in the header, found 2"])
        let later = try problems(
            "t.csv",
            """
            image,price,split
            a.png,cheap,train
            ,1,train
            b.png,2,tset
            a.png,nan,test
            """
        ) { $0.columns = ["price": .number] }
        #expect(later.count == 5)
        #expect(later[0] == "2: `price` is `cheap`; expected a finite number")
        #expect(later[1].hasPrefix("3: the image column `image` is empty"))
        #expect(later[2] == "4: the split `tset` is unknown; expected train, validation or test; did you mean `test`?")
        #expect(later[3].hasPrefix("5: the id `a.png` occurs already on line 2"))
        #expect(later[4].hasPrefix("5: `price` is `nan`"))
    }

    @Test(arguments: [
        ("image,a\na.png,x\"y\n", "2: a quote inside"), ("image,a\na.png,\"x\"y\n", "2: text after a closing quote"),
        ("image,a\na.png,\"x\nb.png,y\n", "2: a quote opened here is never closed"), ("", "0: the file is empty"),
        ("image,a,a\na.png,x,y\n", "1: the column `a` occurs more than once"),
        ("image,a\n", "0: expected at least one"),
        ("picture,a\na.png,x\n", "0: there is no image column"),
        ("image,a\nz.png,x\n", "0: none of the 1 pictures exists"),
    ])
    func tablesThatAreNoneAreRefused(_ text: String, _ start: String) throws {
        let found = try problems("t.csv", text)
        #expect(found.first?.hasPrefix(start) == true, "\(found)")
    }

    @Test func bytesThatAreNotUTF8AreNamed() throws {
        let folder = try TemporaryDirectory()
        let file = try folder.file("t.csv", holding: Array("image,a\na.png,".utf8) + [0xE4, 0x0A])
        #expect { try Manifest(file: file).dataset() } throws: { "\($0)".contains("t.csv:2: bytes that are not UTF-8") }
    }

    @Test(arguments: [
        (#"{"image": "a.png", "x": 1"#, "1: not a JSON object"), ("[1]", "1: expected an object"),
        (#"{"image": 7.5, "x": {}}"#, "1: the column `x` holds an object"),
        (#"{"image": ["a.png"]}"#, "1: `image` is a list; expected a string"),
        (#"{"image": "a.png", "x": ["a", 1]}"#, "1: `x` is a list; expected a list of classes"),
        (
            #"{"image": "a.png", "x": ["a"]}"# + "\n" + #"{"image": "b.png", "x": "b"}"#,
            "2: `x` is `b`; expected a list"
        ),
    ])
    func linesThatAreNoRowsAreRefused(_ text: String, _ start: String) throws {
        let found = try problems("t.jsonl", text)
        #expect(found.first?.hasPrefix(start) == true, "\(found)")
    }

    @Test func columnsThatAreMissingAreNamedWithTheirNearest() throws {
        let found = try problems("t.csv", "image,label\na.png,x\n") {
            $0.columns = ["lable": .category]
            $0.splitColumn = "fold"
        }
        #expect(found.count == 2 && found[0].contains("no split column `fold`"))
        #expect(found[1].contains("no task column `lable`") && found[1].contains("did you mean `label`?"))
    }

    @Test func twentyProblemsAreListedAndTheRestCounted() throws {
        let rows = (0..<50).map { "a\($0).png,word" }.joined(separator: "\n")
        let folder = try TemporaryDirectory()
        let file = try folder.file("t.csv", holding: Array("image,n\n\(rows)".utf8))
        #expect {
            try Manifest(file: file, columns: ["n": .number]).dataset()
        } throws: { error in
            let error = error as! DatasetError
            return error.problems.count == 20 && error.count == 51 && error.description.hasSuffix("and 31 more")
        }
    }

    @Test func filesThatAreNoTablesAreRefused() throws {
        #expect(throws: DatasetError.self) { try Manifest(file: URL(fileURLWithPath: "/nowhere/t.csv")).dataset() }
        #expect {
            try Manifest(file: fixture("rgb.png")).dataset()
        } throws: { "\($0)".contains("expected .csv, .jsonl or .ndjson") }
    }
}
