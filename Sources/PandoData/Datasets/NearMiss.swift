/// The known word nearest to a mistyped one, if one is near: at most a third of its letters are wrong, or one.
///
/// A letter too many, too few, wrong, or exchanged with its neighbour counts once; case does not count.
/// - Source: the optimal string alignment distance (Damerau 1964).
package func nearMiss(to word: String, among known: some Sequence<String>) -> String? {
    let letters = Array(word.lowercased())
    return known.map { (word: $0, distance: distance(letters, Array($0.lowercased()))) }
        .filter { $0.distance <= max(1, $0.word.count / 3) }
        .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
}

private func distance(_ first: [Character], _ second: [Character]) -> Int {
    // rows[i][j]: the distance of the first i letters to the first j.
    var rows = [Array(0...second.count)]
    for (i, left) in first.enumerated() {
        var row = [i + 1]
        for (j, right) in second.enumerated() {
            var best = min(rows[i][j] + (left == right ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, left == second[j - 1], right == first[i - 1] { best = min(best, rows[i - 1][j - 1] + 1) }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[first.count][second.count]
}
