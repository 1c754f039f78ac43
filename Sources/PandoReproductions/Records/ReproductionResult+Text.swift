import PandoTraining

extension ReproductionResult {
    /// The table, the parts of the claim, and the verdict, for a terminal.
    public var text: String {
        var table = Table([.init("method")] + findings.columns.map { .init($0.title, .right) })
        for row in findings.rows { table.add([row.method] + cells(of: row)) }
        let checks = findings.checks.map { "\($0.holds ? "holds" : "FAILS")  \($0.text)" }
        return (["\(table)", ""] + checks + ["", verdict]).joined(separator: "\n")
    }

    /// A row's numbers as they are written; a dash where there is nothing to measure.
    func cells(of row: Findings.Row) -> [String] {
        zip(findings.columns, row.cells).map { column, cell in cell.map(column.unit.text) ?? "–" }
    }

    /// `unipt without interaction: the claim does not hold (1 of 3 parts fails); 3 seeds, 124 s`.
    public var verdict: String {
        let subject = name + (missing.map { " without \($0)" } ?? "")
        let how = holds ? "the claim holds" : "the claim does not hold (\(failures))"
        return "\(subject): \(how); \(seedCount), \(Unit.seconds.text(seconds))"
    }

    /// `3 seeds`.
    var seedCount: String { "\(seeds.count) seed\(seeds.count == 1 ? "" : "s")" }

    /// `1 of 3 parts fails`.
    var failures: String {
        let failed = findings.checks.count { !$0.holds }
        return "\(failed) of \(findings.checks.count) parts \(failed == 1 ? "fails" : "fail")"
    }
}

extension Check {
    /// `it beats the linear probe: 7.2 points, at least 3.0 points`.
    public var text: String {
        "\(sentence): \(unit.text(measured)), \(relation == .atLeast ? "at least" : "at most") \(unit.text(bound))"
    }
}
