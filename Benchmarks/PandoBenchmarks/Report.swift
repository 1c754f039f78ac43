import Foundation

/// Figures as rows for programs: JSON with the machine, a row for each line, and what failed.
struct Report {
    let machine: Machine
    /// What keeps the figures from being the machine's best.
    let complaint: String?
    let comparisons: [Comparison]
    /// What could not be measured, and why.
    let failures: [String]

    var text: String {
        ([machine.description, complaint].compactMap { $0 } + ["", table(comparisons)]
            + failures.map { "no figures from \($0)" }).joined(separator: "\n")
    }

    /// The keys of a row stand in the order in which they are documented.
    func json() throws -> String {
        let rows = try comparisons.map { "    " + (try Self.row($0)) }.joined(separator: ",\n")
        return """
            {
              "machine": \(try Self.json(machine)),
              "complaint": \(try Self.json(complaint)),
              "failures": \(try Self.json(failures)),
              "rows": [
            \(rows)
              ]
            }
            """
    }

    private struct Peer: Encodable {
        let peer: String
        let theirs, spread: Double
        let version, how: String?
    }

    private static func row(_ line: Comparison) throws -> String {
        let best = line.best
        let peers = line.peers.map {
            Peer(peer: $0.peer, theirs: $0.figure.value, spread: $0.figure.spread, version: $0.version, how: $0.how)
        }
        let fields: [(String, String)] = [
            ("work", try json(line.key.work)), ("precision", try json(line.key.precision)),
            ("batch", try json(line.key.batch)), ("unit", try json(line.key.unit)), ("ours", try json(line.ours.value)),
            ("peer", try json(best?.peer)), ("theirs", try json(best?.figure.value)), ("ratio", try json(line.ratio)),
            ("goal", try json(line.goal?.description)), ("met", try json(line.isMet)),
            ("ours_spread", try json(line.ours.spread)), ("peak_share", try json(line.peakShare)),
            ("note", try json(line.note)), ("peers", try json(peers)),
        ]
        return "{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    }

    private static func json(_ value: (some Encodable)?) throws -> String {
        guard let value else { return "null" }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

/// A table with a column for each peer that gave a figure.
func table(_ comparisons: [Comparison]) -> String {
    var names: [String] = []
    for peer in comparisons.flatMap(\.peers).map(\.peer) where !names.contains(peer) { names.append(peer) }
    var lines = [["work", "precision", "batch", "unit", "Pando"] + names + ["ratio", "goal", "met", "remarks"]]
    for line in comparisons {
        let key = line.key
        var cells = [key.work, key.precision, "\(key.batch)", key.unit, text(line.ours, key.unit)]
        for name in names {
            let peer = line.peers.first { $0.peer == name }
            cells.append(peer.map { text($0.figure, key.unit) } ?? "")
        }
        cells.append(line.ratio.map { $0.formatted(digits: 2) + "x" } ?? "")
        cells.append(line.goal?.description ?? "")
        cells.append(line.isMet.map { $0 ? "yes" : "no" } ?? "")
        let share = line.peakShare.map { "\(($0 * 100).formatted(digits: 0))% of the bf16 peak" }
        cells.append([share, line.note].compactMap { $0 }.joined(separator: "; "))
        lines.append(cells)
    }
    // Columns that nothing stands in are left out.
    let columns = lines[0].indices.filter { column in lines.dropFirst().contains { !$0[column].isEmpty } }
    let widths = columns.map { column in lines.map { $0[column].count }.max() ?? 0 }
    let rule = widths.map { String(repeating: "-", count: max($0, 3)) }
    let body = lines.map { line in
        zip(columns, widths).map { line[$0] + String(repeating: " ", count: $1 - line[$0].count) }
    }
    return ([body[0], rule] + body.dropFirst()).map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
}

/// Three digits that count, four of a cosine, and how much they vary.
private func text(_ figure: Figure, _ unit: String) -> String {
    let magnitude = abs(figure.value)
    let digits = magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : magnitude >= 0.9995 ? 2 : 3
    let value = figure.value.formatted(digits: unit == "cosine" ? 4 : digits)
    return figure.spread == 0 ? value : "\(value) ±\((figure.spread * 100).formatted(digits: 0))%"
}
