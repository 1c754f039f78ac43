import Foundation

/// Which task helps which, as a picture: a square for each pair, blue where it helps and orange where it harms.
public struct AffinityPlot {
    private let affinity: TaskAffinity

    public init(_ affinity: TaskAffinity) { self.affinity = affinity }

    private static let side = 62.0
    private static let top = 150.0

    /// The picture as an SVG file.
    public var svg: String {
        let longest = Double(affinity.tasks.map { DisplayWidth.of($0) }.max() ?? 0)
        let left = max(90, 24 + 7.2 * longest)
        let span = Double(affinity.tasks.count) * Self.side
        let panels: [(title: String, values: [[Double]], strongest: Double?, unit: Double, format: String)] = [
            ("what a task (row) adds to another (column), % of its loss", affinity.gains, nil, 100, "%+.1f"),
            ("cosine of their gradients", affinity.cosines, 1, 1, "%+.2f"),
        ]
        let width = 2 * (left + span + 30)
        let height = Self.top + span + 30
        let heading = "Which task helps which"
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(Int(width)) \#(Int(height))" role="img" "#
                + #"aria-labelledby="title description" font-family="Helvetica, Arial, sans-serif" font-size="12">"#,
            "<title id=\"title\">\(heading)</title>",
            "<desc id=\"description\">\(SVG.escaped(affinity.sentences().joined(separator: "; ")))</desc>",
            ##"<rect width="100%" height="100%" fill="#ffffff"/>"##,
            SVG.text(heading, at: (24, 28), ##"font-size="16" font-weight="bold" fill="#1b1b1b""##),
        ]
        for (place, panel) in panels.enumerated() {
            let origin = Double(place) * (left + span + 30) + left
            lines.append(SVG.text(panel.title, at: (origin - left + 24, 50), ##"fill="#555555""##))
            lines += squares(panel.values, at: origin, strongest: panel.strongest, unit: panel.unit, format: panel.format)
        }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    /// One panel: names, and a square for each pair of two tasks.
    /// - Parameter strongest: the value of full colour; `nil` for the largest that there is.
    private func squares(
        _ values: [[Double]], at origin: Double, strongest: Double?, unit: Double, format: String
    ) -> [String] {
        let (side, count) = (Self.side, values.count)
        let pairs = (0..<count).flatMap { row in (0..<count).filter { $0 != row }.map { abs(values[row][$0]) } }
        let strongest = strongest ?? max(pairs.max() ?? 0, 1e-12)
        var lines: [String] = []
        for (index, name) in affinity.tasks.enumerated() {
            let middle = (Double(index) + 0.5) * side
            lines.append(
                SVG.text(name, at: (origin - 8, Self.top + middle + 4), ##"text-anchor="end" fill="#1b1b1b""##))
            let (x, y) = (origin + middle, Self.top - 8)
            lines.append(
                SVG.text(name, at: (x, y), ##"fill="#1b1b1b" transform="rotate(-40 \##(SVG.number(x)) \##(SVG.number(y)))""##))
        }
        for row in 0..<count {
            for column in 0..<count {
                let (x, y) = (origin + Double(column) * side, Self.top + Double(row) * side)
                let value = values[row][column]
                let fill = row == column ? "#f2f2f2" : color(value / strongest)
                lines.append(
                    #"<rect x="\#(SVG.number(x + 1))" y="\#(SVG.number(y + 1))" width="\#(SVG.number(side - 2))" "#
                        + #"height="\#(SVG.number(side - 2))" fill="\#(fill)"/>"#)
                if row == column { continue }
                let ink = abs(value / strongest) > 0.6 ? "#ffffff" : "#1b1b1b"
                lines.append(
                    SVG.text(
                        String(format: format, unit * value), at: (x + side / 2, y + side / 2 + 4),
                        #"text-anchor="middle" fill="\#(ink)""#))
            }
        }
        return lines
    }

    /// White for 0, towards blue for 1 and orange for -1.
    private func color(_ strength: Double) -> String {
        let end = strength >= 0 ? (11.0, 107.0, 181.0) : (200.0, 80.0, 10.0)
        let part = min(abs(strength), 1)
        func channel(_ value: Double) -> Int { Int((255 + (value - 255) * part).rounded()) }
        return String(format: "#%02x%02x%02x", channel(end.0), channel(end.1), channel(end.2))
    }
}
