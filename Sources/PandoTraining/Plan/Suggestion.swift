/// What a misspelt name probably meant.
package enum Suggestion {
    /// The candidate nearest to `name`, if it is near enough to be a slip of the hand.
    ///
    /// Near enough: at most a third of the longer name's letters differ, counting one insertion, deletion,
    /// replacement or swap of neighbours as one. Case does not count. Ties go to the first candidate.
    static func nearest(to name: String, among candidates: some Sequence<String>) -> String? {
        let wanted = Array(name.lowercased())
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let letters = Array(candidate.lowercased())
            let distance = distance(wanted, letters)
            guard distance <= max(1, max(wanted.count, letters.count) / 3) else { continue }
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.candidate
    }

    /// `; did you mean 'x'?` or, without a near miss, `; expected a, b or c`.
    package static func hint(for name: String, among candidates: [String]) -> String {
        if let nearest = nearest(to: name, among: candidates) { return "; did you mean '\(nearest)'?" }
        guard let last = candidates.last else { return "" }
        let listed = candidates.count > 1 ? candidates.dropLast().joined(separator: ", ") + " or " + last : last
        return "; expected \(listed)"
    }

    /// The number of edits between two words, a swap of neighbours counting as one.
    ///
    /// Source: optimal string alignment distance (Damerau 1964; Wagner and Fischer's table).
    static func distance(_ a: [Character], _ b: [Character]) -> Int {
        guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
        var rows = [Array(0...b.count)]
        for i in 1...a.count {
            var row = [i]
            for j in 1...b.count {
                var cost = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { cost = min(cost, rows[i - 2][j - 2] + 1) }
                row.append(cost)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
