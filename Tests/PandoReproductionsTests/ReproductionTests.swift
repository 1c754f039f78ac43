import Foundation
import PandoData
import PandoReproductions
import PandoTestSupport
import Testing

@Suite struct ReproductionTests {
    let directory: TemporaryDirectory
    let records: ReproductionRecords

    init() throws {
        directory = try TemporaryDirectory()
        records = ReproductionRecords(at: directory.file("reproductions"))
    }

    private func conditions(seeds: Int = 3, without part: String? = nil) throws -> Conditions {
        Conditions(seeds: seeds, without: part, store: try FeatureStore(directory: directory.file("features")))
    }

    @Test func `a claim holds with the whole method and falls without its key part`() throws {
        let whole = try ExampleReproduction().reproduce(conditions())
        #expect(whole.holds)
        #expect(whole.seeds == [0, 1, 2])
        let part = try ExampleReproduction().reproduce(conditions(without: "key"))
        #expect(!part.holds)
        #expect(part.missing == "key")
        #expect(part.verdict.hasPrefix("example without key: the claim does not hold (1 of 1 parts fails); 3 seeds, "))
    }

    @Test func `an unknown part is refused with what was meant`() throws {
        let refusal = #expect(throws: ReproductionError.self) {
            _ = try ExampleReproduction().reproduce(conditions(without: "kye"))
        }
        #expect(refusal?.description == "example has no part 'kye'; did you mean 'key'?")
        let other = #expect(throws: ReproductionError.self) { try ExampleReproduction().checkPart("soul") }
        #expect(other?.description == "example has no part 'soul'; expected key or charm")
        let none = #expect(throws: ReproductionError.self) { try ExampleReproduction(parts: []).checkPart("key") }
        #expect(none?.description == "example has no part that can be put out")
    }

    @Test func `the text shows every row, what was measured, and the verdict`() throws {
        let text = try ExampleReproduction().reproduce(conditions()).text
        #expect(text.contains("chance         50.0 %                   –"))
        #expect(text.contains("example  55.0 ± 1.0 %              73,728"))
        #expect(text.contains("holds  it beats chance: 5.0 points, at least 3.0 points"))
        #expect(text.contains("example: the claim holds; 3 seeds, "))
    }

    @Test func `records are kept apart by part, and the last one counts`() throws {
        #expect(try records.last(of: "example") == nil)
        let whole = try ExampleReproduction().reproduce(conditions())
        let again = try ExampleReproduction().reproduce(conditions(seeds: 1))
        let part = try ExampleReproduction().reproduce(conditions(without: "key"))
        for result in [whole, again, part] { try records.keep(result) }
        let last = try #require(try records.last(of: "example"))
        #expect(last.seeds == [0])
        #expect(last.findings == again.findings)
        #expect(try records.last(of: "example", without: "key")?.holds == false)
        #expect(try records.last(of: "example", without: "charm") == nil)
    }

    @Test func `a file that is no record is named`() throws {
        try records.keep(ExampleReproduction().reproduce(conditions()))
        let file = records.file(of: "example")
        try Data("{\"name\": 3}".utf8).write(to: file)
        let refusal = #expect(throws: ReproductionError.self) { _ = try records.last(of: "example") }
        #expect(refusal?.description.hasPrefix("\(file.path) is no record of a reproduction; remove it, or run example again: ") == true)
    }

    @Test func `every reproduction of the catalog says what it tests`() throws {
        let all = ReproductionCatalog.all
        #expect(Set(all.map(\.name)).count == all.count)
        for reproduction in all {
            #expect(try ReproductionCatalog.reproduction(named: reproduction.name).name == reproduction.name)
            #expect(!reproduction.claim.isEmpty && !reproduction.data.isEmpty && !reproduction.room.isEmpty)
            #expect(reproduction.paper.arXiv.wholeMatch(of: /[0-9]{4}\.[0-9]{5}/) != nil)
            #expect(Set(reproduction.parts.map(\.name)).count == reproduction.parts.count)
        }
    }
}
