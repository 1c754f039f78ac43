import Foundation

/// One table of all results, in a page that is about more.
///
/// It stands between two comments. The first names the page with the whole results, as a link from there would:
///
///     <!-- reproductions: Reproductions.md -->
///     <!-- /reproductions -->
extension ReproductionPage {
    private static let opening = "<!-- reproductions:"
    private static let closing = "<!-- /reproductions -->"

    /// What the file of a page shall hold: its old text with a new table, if that has a place for one, and otherwise the
    /// whole page.
    ///
    /// What it said of methods of which no result is kept here stays.
    /// - Parameter old: empty if there is no such file.
    /// - Throws: `ReproductionError` if the place of the table has no end, or if the text is of something else.
    public func text(inPlaceOf old: String) throws(ReproductionError) -> String {
        guard let opening = old.range(of: Self.opening) else {
            guard old.isEmpty || old.hasPrefix(Self.title) else {
                throw ReproductionError(
                    "it is no page of reproductions, and has no place for a table: '\(Self.opening) PAGE -->', "
                        + "'\(Self.closing)'")
            }
            return markdown(keeping: old)
        }
        let rest = opening.upperBound..<old.endIndex
        guard let dashes = old.range(of: "-->", range: rest), let closing = old.range(of: Self.closing, range: rest),
            dashes.upperBound <= closing.lowerBound
        else {
            throw ReproductionError("'\(Self.opening) PAGE -->' is not followed by '\(Self.closing)'")
        }
        let page = old[opening.upperBound..<dashes.lowerBound].trimmingCharacters(in: .whitespaces)
        let place = dashes.upperBound..<closing.lowerBound
        return old[..<place.lowerBound] + "\n" + table(linking: page, keeping: String(old[place])) + old[place.upperBound...]
    }

    private func table(linking page: String, keeping old: String) -> String {
        let rows = entries.map { entry in
            let (name, paper) = (entry.reproduction.name, entry.reproduction.paper)
            let start = "| [\(name)](\(page)#\(name)) |"
            if entry.whole == nil, let row = Self.line(startingWith: start, in: old) { return row }
            let cells = [
                "\(paper.authors), \(link(paper))", entry.whole.map(measured) ?? "", verdict(entry.whole),
            ]
            return "\(start) \(cells.joined(separator: " | ")) |"
        }
        let head = ["| method | paper | what was measured, or what fails | claim |", "|---|---|---|---|"]
        return (head + rows).joined(separator: "\n") + "\n"
    }

    /// The parts of a claim that holds; of one that does not, those that fail.
    private func measured(_ result: ReproductionResult) -> String {
        result.findings.checks.filter { $0.holds == result.holds }.map(\.text).joined(separator: "; ")
    }

    /// `does not hold: 1 of 5 parts fails`.
    private func verdict(_ result: ReproductionResult?) -> String {
        guard let result, !result.holds else { return word(result) }
        return "\(word(result)): \(result.failures)"
    }
}
