import Foundation
import PandoData
import PandoTestSupport
import Testing

@testable import PandoReproductions

@Suite struct ReproductionPageTests {
    let directory: TemporaryDirectory
    let records: ReproductionRecords

    init() throws {
        directory = try TemporaryDirectory()
        records = ReproductionRecords(at: directory.file("reproductions"))
    }

    private func keep(_ name: String = "example", without part: String? = nil) throws {
        let store = try FeatureStore(directory: directory.file("features"))
        try records.keep(ExampleReproduction(name: name).reproduce(Conditions(seeds: 3, without: part, store: store)))
    }

    /// Of the methods `example` and `other`.
    private func page() throws -> ReproductionPage {
        try ReproductionPage(of: [ExampleReproduction(), ExampleReproduction(name: "other")], in: records)
    }

    private let paper = "[arXiv 2001.00001](https://arxiv.org/abs/2001.00001)"

    @Test func `the page holds the table, the verdict, and what falls without parts`() throws {
        try keep()
        try keep(without: "key")
        try keep(without: "charm")
        let page = try page().markdown()
        #expect(page.contains("| [example](#example) | \(paper) | holds |"))
        #expect(page.contains("| [other](#other) | \(paper) | not run yet |"))
        #expect(page.contains("| method | accuracy | trained parameters |\n|---|---:|---:|\n| chance | 50.0 % | – |\n"))
        #expect(page.contains("- holds: it beats chance: 5.0 points, at least 3.0 points"))
        #expect(page.contains("Without `key`: falls: it beats chance: 2.0 points, at least 3.0 points."))
        #expect(page.contains("Without `charm`: the claim still holds."))
        #expect(page.contains("Chance was not consulted."))
    }

    @Test func `a page of the same results is written the same`() throws {
        try keep()
        try keep("other")
        let text = try page().text(inPlaceOf: "")
        #expect(try page().text(inPlaceOf: text) == text)
    }

    @Test func `what the page said of a method whose result is not kept here stays`() throws {
        try keep()
        try keep("other")
        let old = try page().text(inPlaceOf: "").replacingOccurrences(of: "55.0 ± 1.0 %", with: "77.0 ± 1.0 %")
        try FileManager.default.removeItem(at: records.file(of: "other"))
        #expect(try page().missing == ["other"])
        let new = try page().text(inPlaceOf: old)
        let sections = new.components(separatedBy: "\n## ")
        try #require(sections.count == 3)
        #expect(sections[0].contains("| [other](#other) | \(paper) | holds |"))
        #expect(sections[1].contains("| example | 55.0 ± 1.0 % | 73,728 |"))
        #expect(sections[2].contains("| example | 77.0 ± 1.0 % | 73,728 |"))
        #expect(try page().text(inPlaceOf: new) == new)
        // The one that is kept here is the last of a page as well.
        try keep("other")
        try FileManager.default.removeItem(at: records.file(of: "example"))
        let last = try page().text(inPlaceOf: old).components(separatedBy: "\n## ")
        #expect(last[1].contains("77.0") && !last[1].hasSuffix("\n\n"))
        #expect(last[2].contains("55.0") && last[2].hasSuffix("Chance was not consulted.\n"))
    }

    private let opening = "# Pando\n\nBefore.\n\n<!-- reproductions: docs/Page.md -->\n"
    private let closing = "<!-- /reproductions -->\n\nAfter.\n"
    private let head = "| method | paper | what was measured, or what fails | claim |\n|---|---|---|---|\n"

    @Test func `a page with a place for the table has that alone written anew`() throws {
        try keep()
        try keep("other")
        let row = "Doe et al. 2020, \(paper) | it beats chance: 5.0 points, at least 3.0 points | holds |\n"
        let expected = opening + head + "| [example](docs/Page.md#example) | " + row
            + "| [other](docs/Page.md#other) | " + row + closing
        #expect(try page().text(inPlaceOf: opening + "| old |\n" + closing) == expected)
        #expect(try page().text(inPlaceOf: opening + closing) == expected)
        #expect(try page().text(inPlaceOf: expected) == expected)
    }

    @Test func `the table keeps rows whose results are not kept here, and drops methods that are gone`() throws {
        try keep()
        let kept = "| [other](docs/Page.md#other) | Doe | it lost: 1.0 points, at least 3.0 points | does not hold: 1 of 1 parts fails |\n"
        let gone = "| [gone](docs/Page.md#gone) | Roe | it won: 9.0 points, at least 3.0 points | holds |\n"
        let text = try page().text(inPlaceOf: opening + head + gone + kept + closing)
        #expect(text.contains("5.0 points, at least 3.0 points | holds |\n" + kept + closing))
        #expect(!text.contains("gone"))
        let empty = try page().text(inPlaceOf: opening + closing)
        #expect(empty.contains("| [other](docs/Page.md#other) | Doe et al. 2020, \(paper) |  | not run yet |\n" + closing))
    }

    @Test func `of a claim that does not hold the table tells the parts that fail`() throws {
        let findings = Findings(
            [], [], [Check("a", 1, .atLeast, 0, .number), Check("b", 1, .atMost, 0, .number), Check("c", 1, .atLeast, 0, .number)])
        try records.keep(
            ReproductionResult(
                name: "example", missing: nil, seeds: [0, 1], findings: findings, holds: false, seconds: 1,
                date: Date(timeIntervalSince1970: 0), machine: "one"))
        let text = try page().text(inPlaceOf: opening + closing)
        #expect(text.contains("| b: 1.000, at most 0.000 | does not hold: 1 of 3 parts fails |"))
    }

    @Test func `the table of costs has a row for each adapter, and none for variants and other experiments`() throws {
        let place = "<!-- reproductions, costs: Page.md -->\n"
        let findings = Findings(
            [.init("accuracy", .percent)] + Outcomes.costs,
            [
                Findings.Row("probe", [Sample([0.5, 0.6]), Sample(1000), Sample(2e6), Sample(1e3), Sample(3)]),
                Findings.Row("LoRA", [Sample(0.7), Sample(20), Sample(3e6), Sample(2e3), nil]),
                Findings.Row("LoRA, halved", [Sample(0.6), Sample(10), Sample(3e6), Sample(2e3), nil]),
            ], [])
        try records.keep(
            ReproductionResult(
                name: "example", missing: nil, seeds: [0, 1], findings: findings, holds: true, seconds: 1,
                date: Date(timeIntervalSince1970: 0), machine: "one"))
        try keep("other")
        let text = try page().text(inPlaceOf: opening + closing + place + closing)
        let expected = place + """
            | re-test: score | adapter | score | trained parameters | training memory | kept activations | training time |
            |---|---|---:|---:|---:|---:|---:|
            | [example](Page.md#example): accuracy | probe | 55.0 ± 7.1 % | 1,000 | 2.00 MB | 1.00 kB | 3.0 s |
            | [example](Page.md#example): accuracy | LoRA | 70.0 % | 20 | 3.00 MB | 2.00 kB | – |

            """ + closing
        #expect(text.hasSuffix(expected))
        #expect(text.contains("[example](docs/Page.md#example) | Doe"))
        try FileManager.default.removeItem(at: records.file(of: "example"))
        #expect(try page().text(inPlaceOf: text) == text)
    }

    @Test(arguments: [
        "<!-- reproductions: Page.md -->\n", "<!-- /reproductions -->\n<!-- reproductions: Page.md -->\n",
        "<!-- reproductions: Page.md\n<!-- /reproductions -->\n",
    ])
    func `a place without an end is refused`(text: String) throws {
        let refusal = #expect(throws: ReproductionError.self) { _ = try page().text(inPlaceOf: text) }
        #expect(refusal?.description == "'<!-- reproductions: PAGE -->' is not followed by '<!-- /reproductions -->'")
    }

    @Test func `a text of something else is not written over`() throws {
        let refusal = #expect(throws: ReproductionError.self) { _ = try page().text(inPlaceOf: "# Pando\n") }
        #expect(refusal?.description.hasPrefix("it is no page of reproductions, and has no place for a table: ") == true)
    }
}
