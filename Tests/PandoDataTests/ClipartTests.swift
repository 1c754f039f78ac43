import Foundation
import PandoTestSupport
import Testing

@testable import PandoData

/// Whether Debian's packages with the drawings are there.
private let isInstalled = FileManager.default.fileExists(atPath: Clipart.defaultRoot.appendingPathComponent("svg").path)

@Suite struct ClipartTests {
    @Test(.enabled(if: isInstalled)) func theDrawingsOfDebianAreThoseOfTheDefinition() throws {
        let dataset = try Clipart.dataset()
        #expect(dataset.examples.count == 8121)
        #expect(dataset.classes(of: "category").count == 18)
        #expect(dataset.classes(of: "tags").count == 92)
        #expect(Set(dataset.examples.map(\.id)).count == 8121)
        // Counted by another program, with Python's regular expressions and hashlib.
        let apple = try #require(dataset.examples.first { $0.id == "food/fruit/apple_mateya_01" })
        #expect(apple.labels["category"] == .category("food") && apple.labels["title"] == .text("apple"))
        #expect(apple.labels["tags"] == .categories(["food", "fruit"]))
        func labelled(_ column: String) -> Int { dataset.examples.count { $0.labels[column] != nil } }
        let counts = [labelled("category"), labelled("tags"), labelled("title")]
        #expect(counts == [7941, 8003, 8059])
        #expect(DatasetReport(checking: dataset).errors.isEmpty)
    }

    /// A tree with `count` drawings in each folder; the SVG of each is `svg(folder, number)`.
    private func tree(_ folders: [String: Int], svg: (String, Int) -> String?) throws -> TemporaryDirectory {
        let root = try TemporaryDirectory()
        for (folder, count) in folders {
            for kind in ["png", "svg"] {
                try FileManager.default.createDirectory(
                    at: root.file("\(kind)/\(folder)"), withIntermediateDirectories: true)
            }
            for number in 0..<count {
                _ = try root.file("png/\(folder)/\(number).png", holding: [1])
                if let svg = svg(folder, number) {
                    _ = try root.file("svg/\(folder)/\(number).svg", holding: Array(svg.utf8))
                }
            }
        }
        return root
    }

    private func drawing(_ title: String, _ keywords: String...) -> String {
        let items = keywords.map { "<rdf:li>\($0)</rdf:li>" }.joined()
        return """
            <?xml version="1.0"?><svg><metadata id="m"><rdf:RDF><cc:Work><dc:creator><cc:Agent rdf:about="">\
            <dc:title>The Artist</dc:title></cc:Agent></dc:creator><dc:title>\(title)</dc:title><dc:subject><rdf:Bag>\
            \(items)</rdf:Bag></dc:subject></cc:Work></rdf:RDF></metadata><path d="M 0
            """
    }

    @Test func rareFoldersAndTagsAreNoLabels() throws {
        let root = try tree(["animals/birds": 20, "animals/fish": 20, "few": 19, "unsorted": 25]) { folder, number in
            drawing("no. \(number)", "Common ", number < 19 && folder != "few" ? "rare" : "common", "")
        }
        let dataset = try Clipart.dataset(at: root.url)
        #expect(dataset.examples.count == 84)
        #expect(dataset.classes(of: "category") == ["animals"])
        #expect(dataset.examples.count { $0.labels["category"] != nil } == 40)
        #expect(dataset.classes(of: "tags") == ["common", "rare"])
        let first = try #require(dataset.examples.first { $0.id == "animals/birds/3" })
        #expect(first.labels["tags"] == .categories(["common", "rare"]))
        #expect(first.labels["title"] == .text("no. 3"))
        #expect(first.split == SplitRule.split(of: "animals/birds/3"))
        #expect(first.image?.name.hasSuffix("png/animals/birds/3.png") == true)
    }

    @Test func noKeywordsIsNotTheSameAsRareOnes() throws {
        let root = try tree(["a": 41]) { _, number in
            number == 0 ? drawing("") : number == 1 ? drawing("x", "seldom") : drawing("x", "often")
        }
        let examples = try Clipart.dataset(at: root.url).examples
        let labels = { (id: String) in examples.first { $0.id == id }!.labels }
        #expect(labels("a/0")["tags"] == nil && labels("a/0")["title"] == nil)
        #expect(labels("a/1")["tags"] == .categories([]))
        #expect(labels("a/2")["tags"] == .categories([]))  // 39 drawings have it, one too few
    }

    @Test func missingOrBrokenDrawingsAreAllNamed() throws {
        let root = try tree(["a": 30]) { _, number in
            number < 2 ? nil : number == 2 ? "<svg>no metadata" : drawing("x", "y")
        }
        #expect {
            try Clipart.dataset(at: root.url)
        } throws: { error in
            guard let error = error as? DatasetError else { return false }
            return error.count == 3 && "\(error)".contains("/0.svg") && "\(error)".contains("<metadata>")
        }
        #expect {
            try Clipart.dataset(at: root.file("nowhere"))
        } throws: { "\($0)".contains("openclipart-png") }
    }

    @Test func metadataIsReadAsXMLWouldBe() {
        func metadata(_ text: String) -> DrawingMetadata { DrawingMetadata(metadata: Array(text.utf8)[...]) }
        let found = metadata(
            """
            <cc:Work><dc:title id="t">Tom &amp; &#74;erry&#x21; &lt;3
            again</dc:title><rdf:li/><rdf:li> Cat\n</rdf:li><rdf:li>CAT</rdf:li><rdf:li>&amp;lt;</rdf:li>
            """)
        #expect(found.title == "Tom & Jerry! <3 again")
        #expect(found.keywords == ["cat", "&lt;"])
        let broken = metadata("<dc:title/><rdf:li>unclosed")
        #expect(broken.title == "" && broken.keywords.isEmpty)
        #expect(
            DrawingMetadata(metadata: Array("<dc:title>caf".utf8) + [0xE9] + Array("</dc:title>".utf8)).title == "café")
        #expect(metadata("<cc:Agent><dc:title>A</dc:title>").title == "")
    }
}
