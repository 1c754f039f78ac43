import ArgumentParser
import Foundation
import Pando

/// `pando reproduce`: whether methods do here what their papers claim.
struct ReproduceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reproduce",
        abstract: "Re-test the claims of the methods' papers at small scale.",
        discussion: """
            Trains a method and its baselines on the same data and seeds, prints what was measured with the claim above it, \
            and exits 1 if the claim does not hold. With a part of the method put out, the claim must fall.

              pando reproduce --list
              pando reproduce unipt
              pando reproduce unipt --without interaction
              pando reproduce --all
              pando reproduce --page Reproductions.md
              pando reproduce --page README.md

            A page that has the comments `<!-- reproductions: PAGE -->` and `<!-- /reproductions -->` gets the table of all \
            claims between them, which links to the sections of PAGE; behind `<!-- reproductions, costs: PAGE -->` it gets \
            what each adapter scored and took. Any other is written as a whole. What it said of methods of which no result \
            is kept on this machine stays.
            """)

    @Argument(help: ArgumentHelp("The methods; --list names them.", valueName: "name"))
    var names: [String] = []

    @Flag(help: "Reproduce every method.")
    var all = false

    @Flag(help: "List the methods, their papers, their parts, and how it went last.")
    var list = false

    @Option(help: ArgumentHelp("Write the last results of all methods to a page of Markdown, or to its tables.", valueName: "file"))
    var page: String?

    @Option(help: "How often everything is trained, with other random numbers each time.")
    var seeds = 3

    @Option(help: ArgumentHelp("Put a part of the method out.", valueName: "part"))
    var without: String?

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        let asked = [!names.isEmpty, all, list, page != nil].count { $0 }
        guard asked == 1 else {
            throw ValidationError("say one of: names of methods, --all, --list, or --page FILE")
        }
        guard (1...100).contains(seeds) else { throw ValidationError("--seeds is 1 to 100, not \(seeds)") }
        if without != nil, names.count != 1 { throw ValidationError("--without PART goes with one method's name") }
    }

    private var records: ReproductionRecords { ReproductionRecords(at: Locations.reproductions) }

    func run() throws {
        if list { return try showList() }
        if let page { return try write(to: URL(fileURLWithPath: page)) }
        let chosen = try all ? ReproductionCatalog.all : names.map(ReproductionCatalog.reproduction(named:))
        if let without { try chosen[0].checkPart(without) }
        let store = try features.store()
        var results: [ReproductionResult] = []
        for reproduction in chosen {
            let result = try reproduce(reproduction, store)
            try records.keep(result)
            results.append(result)
            if !printing.json { print("\(result.text)\n") }
        }
        if printing.json { try Console.print(json: results) }
        if results.contains(where: { !$0.holds }) { throw ExitCode(1) }
    }

    private func write(to file: URL) throws {
        let exists = FileManager.default.fileExists(atPath: file.path)
        let old = exists ? try String(contentsOf: file, encoding: .utf8) : ""
        let page = try ReproductionPage(of: ReproductionCatalog.all, in: records)
        do {
            try AtomicFile.write(page.text(inPlaceOf: old), to: file)
        } catch let error as ReproductionError {
            throw ReproductionError("\(file.path) is left as it is: \(error)")
        }
        guard exists, !page.missing.isEmpty else { return }
        Console.note("no result of \(page.missing.joined(separator: ", ")) is kept here: what \(file.path) said of it stays")
    }

    private func reproduce(_ reproduction: any Reproduction, _ store: FeatureStore) throws -> ReproductionResult {
        if !printing.json {
            let paper = reproduction.paper
            print("\(reproduction.name): \(paper.title) (\(paper.authors), arXiv \(paper.arXiv))")
            print("claim: \(reproduction.claim)\ndata: \(reproduction.data)")
            if let part = reproduction.parts.first(where: { $0.name == without }) {
                print("without \(part.name): \(part.meaning)")
            }
            print("")
        }
        let display = SessionDisplay(isQuiet: printing.quiet)
        return try Interruption.watching(display) { flag in
            try reproduction.reproduce(
                Conditions(
                    seeds: seeds, without: without, store: store, workers: features.pictures.workerCount,
                    cancellation: flag, report: display.show))
        }
    }

    /// What `--list --json` prints of each method.
    private struct Entry: Encodable {
        let name, room, claim: String
        let paper: Paper
        let parts: [String]
        let last: ReproductionResult?
    }

    private func showList() throws {
        let entries = try ReproductionCatalog.all.map { reproduction in
            Entry(
                name: reproduction.name, room: reproduction.room, claim: reproduction.claim, paper: reproduction.paper,
                parts: reproduction.parts.map(\.name), last: try records.last(of: reproduction.name))
        }
        if printing.json { return try Console.print(json: entries) }
        var table = Table([
            .init("method"), .init("room"), .init("paper"), .init("parts to put out"), .init("last result"), .init("when"),
        ])
        for entry in entries {
            let result = entry.last.map { $0.holds ? "holds" : "does not hold" } ?? "not run yet"
            let day = entry.last?.date.formatted(.iso8601.year().month().day()) ?? ""
            table.add([
                entry.name, entry.room, "\(entry.paper.authors), arXiv \(entry.paper.arXiv)",
                entry.parts.joined(separator: ", "), result, day,
            ])
        }
        print(table)
    }
}
