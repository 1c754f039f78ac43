import Foundation

/// A page of Markdown with the last results of all reproductions.
///
/// Results are kept on the machine that ran them. What a page says of a method whose result is not kept here stays as it
/// was: see `text(inPlaceOf:)`.
public struct ReproductionPage: Sendable {
    static let title = "# Reproductions\n"
    let entries: [Entry]

    struct Entry {
        let reproduction: any Reproduction
        let whole: ReproductionResult?
        /// Of the parts that were put out.
        let without: [ReproductionResult]
    }

    /// - Throws: `ReproductionError` if a record cannot be read.
    public init(of reproductions: [any Reproduction], in records: ReproductionRecords) throws(ReproductionError) {
        var entries: [Entry] = []
        for reproduction in reproductions {
            var without: [ReproductionResult] = []
            for part in reproduction.parts {
                if let result = try records.last(of: reproduction.name, without: part.name) { without.append(result) }
            }
            entries.append(
                Entry(reproduction: reproduction, whole: try records.last(of: reproduction.name), without: without))
        }
        self.entries = entries
    }

    /// The methods of which no result is kept here.
    public var missing: [String] { entries.filter { $0.whole == nil }.map(\.reproduction.name) }

    /// The whole page.
    /// - Parameter old: the page as it was; what it says of methods of which no result is kept here, the new one repeats.
    public func markdown(keeping old: String = "") -> String {
        let head = """
            \(Self.title)
            Every method here re-tests its paper's claim at small scale: `pando reproduce NAME`. Tables hold means over \
            seeds ± standard deviations, on test. Settings are few and were set by hand, not searched for. Memory is the most that tensors held \
            at once while a branch was trained, above what was live before. With a part put out (`--without PART`) the \
            claim must fall. This page is written by `pando reproduce --page FILE` from the last results.


            """
        let sections = entries.map { entry in
            entry.whole == nil ? oldSection(of: entry, in: old) ?? section(entry) : section(entry)
        }
        return head + summary(keeping: old) + "\n" + sections.joined(separator: "\n")
    }

    private func summary(keeping old: String) -> String {
        let rows = entries.map { entry in
            let start = "| [\(entry.reproduction.name)](#\(entry.reproduction.name)) |"
            if entry.whole == nil, let row = Self.lines(startingWith: start, in: old).first { return row }
            return "\(start) \(link(entry.reproduction.paper)) | \(word(entry.whole)) |"
        }
        return (["| method | paper | claim |", "|---|---|---|"] + rows).joined(separator: "\n") + "\n"
    }

    /// The lines of a text that start so.
    static func lines(startingWith start: String, in text: String) -> [String] {
        text.split(separator: "\n").filter { $0.hasPrefix(start) }.map { String($0) }
    }

    /// What a page says of a method, from its heading to the next one.
    private func oldSection(of entry: Entry, in page: String) -> String? {
        let heading = "## \(entry.reproduction.name)\n"
        guard let start = page.range(of: "\n" + heading)?.upperBound else { return nil }
        let end = page.range(of: "\n## ", range: start..<page.endIndex)?.lowerBound ?? page.endIndex
        return heading + "\n" + page[start..<end].trimmingCharacters(in: .newlines) + "\n"
    }

    private func section(_ entry: Entry) -> String {
        let reproduction = entry.reproduction
        var text = """
            ## \(reproduction.name)

            \(reproduction.paper.authors), *\(reproduction.paper.title)*, \(link(reproduction.paper)). Code: \(reproduction.room).

            **Claim.** \(reproduction.claim)

            **Data.** \(reproduction.data)


            """
        guard let whole = entry.whole else { return text + "Not run yet.\n" }
        text += table(whole) + "\n"
        text += whole.findings.checks.map { "- \($0.holds ? "holds" : "**fails**"): \($0.text)\n" }.joined()
        text += "\n**\(whole.holds ? "The claim holds" : "The claim does not hold")** "
        text += "(\(whole.seedCount), \(Unit.seconds.text(whole.seconds)); \(whole.machine)).\n"
        for result in entry.without {
            let failed = result.findings.checks.filter { !$0.holds }.map(\.text)
            let how = failed.isEmpty ? "the claim still holds" : "falls: " + failed.joined(separator: "; ")
            text += "\nWithout `\(result.missing ?? "")`: \(how).\n"
        }
        if !reproduction.remarks.isEmpty { text += "\n\(reproduction.remarks)\n" }
        return text
    }

    private func table(_ result: ReproductionResult) -> String {
        func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
        let columns = result.findings.columns
        return line(["method"] + columns.map(\.title)) + "|---|" + columns.map { _ in "---:|" }.joined() + "\n"
            + result.findings.rows.map { line([$0.method] + result.cells(of: $0)) }.joined()
    }

    func word(_ result: ReproductionResult?) -> String {
        result.map { $0.holds ? "holds" : "does not hold" } ?? "not run yet"
    }

    func link(_ paper: Paper) -> String { "[arXiv \(paper.arXiv)](https://arxiv.org/abs/\(paper.arXiv))" }
}
