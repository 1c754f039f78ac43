import Foundation

/// Tables of all results, in a page that is about more.
///
/// Each stands between two comments. The first says which, and names the page with the whole results, as a link from
/// there would:
///
///     <!-- reproductions: Reproductions.md -->
///     <!-- /reproductions -->
///     <!-- reproductions, costs: Reproductions.md -->
///     <!-- /reproductions -->
extension ReproductionPage {
    /// What a table tells; the raw value stands in its comment.
    private enum Summary: String, CaseIterable {
        /// Of each method, whether the claim holds.
        case claims = "reproductions"
        /// Of each adapter, what it scores and takes.
        case costs = "reproductions, costs"

        var opening: String { "<!-- \(rawValue):" }
    }

    private static let closing = "<!-- /reproductions -->"

    /// What the file of a page shall hold: its old text with new tables, if that has a place for one, and otherwise the
    /// whole page.
    ///
    /// What it said of methods of which no result is kept here stays.
    /// - Parameter old: empty if there is no such file.
    /// - Throws: `ReproductionError` if the place of a table has no end, or if the text is of something else.
    public func text(inPlaceOf old: String) throws(ReproductionError) -> String {
        let summaries = Summary.allCases.filter { old.contains($0.opening) }
        guard !summaries.isEmpty else {
            guard old.isEmpty || old.hasPrefix(Self.title) else {
                throw ReproductionError(
                    "it is no page of reproductions, and has no place for a table: '\(Summary.claims.opening) PAGE -->', "
                        + "'\(Self.closing)'")
            }
            return markdown(keeping: old)
        }
        var text = old
        for summary in summaries { text = try self.text(inPlaceOf: text, summary) }
        return text
    }

    private func text(inPlaceOf old: String, _ summary: Summary) throws(ReproductionError) -> String {
        guard let opening = old.range(of: summary.opening) else { return old }
        let rest = opening.upperBound..<old.endIndex
        guard let dashes = old.range(of: "-->", range: rest), let closing = old.range(of: Self.closing, range: rest),
            dashes.upperBound <= closing.lowerBound
        else {
            throw ReproductionError("'\(summary.opening) PAGE -->' is not followed by '\(Self.closing)'")
        }
        let page = old[opening.upperBound..<dashes.lowerBound].trimmingCharacters(in: .whitespaces)
        let place = dashes.upperBound..<closing.lowerBound
        let table = table(summary, linking: page, keeping: String(old[place]))
        return old[..<place.lowerBound] + "\n" + table + old[place.upperBound...]
    }

    private func table(_ summary: Summary, linking page: String, keeping old: String) -> String {
        let rows = entries.flatMap { entry in
            let start = "| [\(entry.reproduction.name)](\(page)#\(entry.reproduction.name))"
            if entry.whole == nil {
                let kept = Self.lines(startingWith: start, in: old)
                if !kept.isEmpty { return kept }
            }
            let rows = summary == .claims ? [claim(of: entry)] : entry.whole.map(costs) ?? []
            return rows.map { "\(start)\($0) |" }
        }
        let head = switch summary {
        case .claims: ["| method | paper | what was measured, or what fails | claim |", "|---|---|---|---|"]
        case .costs:
            [
                "| re-test: score | adapter | score | \(Outcomes.costs.map(\.title).joined(separator: " | ")) |",
                "|---|---|---:|" + Outcomes.costs.map { _ in "---:|" }.joined(),
            ]
        }
        return (head + rows).joined(separator: "\n") + "\n"
    }

    private func claim(of entry: Entry) -> String {
        let paper = entry.reproduction.paper
        let cells = ["\(paper.authors), \(link(paper))", entry.whole.map(measured) ?? "", verdict(entry.whole)]
        return " | " + cells.joined(separator: " | ")
    }

    /// A row for each adapter, if that is what the result is about; not for variants, whose names have a comma.
    private func costs(of result: ReproductionResult) -> [String] {
        let columns = result.findings.columns
        guard columns.count > Outcomes.costs.count, Array(columns.suffix(Outcomes.costs.count)) == Outcomes.costs else {
            return []
        }
        return result.findings.rows.filter { !$0.method.contains(",") }.map { row in
            let cells = result.cells(of: row)
            return ": " + ([columns[0].title, row.method, cells[0]] + cells.suffix(Outcomes.costs.count))
                .joined(separator: " | ")
        }
    }

    /// The parts of a claim that holds; of one that does not, those that fail.
    private func measured(_ result: ReproductionResult) -> String {
        result.findings.checks.filter { $0.holds == result.holds }.map(\.text).joined(separator: "; ")
    }

    /// `does not hold: 1 of 5 parts fails`; of a single seed it says so.
    private func verdict(_ result: ReproductionResult?) -> String {
        guard let result else { return word(nil) }
        let seeds = result.seeds.count == 1 ? " (1 seed)" : ""
        return (result.holds ? word(result) : "\(word(result)): \(result.failures)") + seeds
    }
}
