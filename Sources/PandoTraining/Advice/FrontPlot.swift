import Foundation

/// Adapters that were tried as a picture: score against memory, and score against parameters, each with its front.
public struct FrontPlot {
    private let advice: Advice
    private let scoreName: String

    /// - Parameter scoreName: what the score is, with its unit or range.
    public init(_ advice: Advice, scoreName: String) { (self.advice, self.scoreName) = (advice, scoreName) }

    private static let panelWidth = 520.0
    private static let height = 470.0
    /// What stands around the area where points are.
    private static let frame = (left: 68.0, right: 18.0, top: 74.0, bottom: 62.0)

    /// The picture as an SVG file.
    public var svg: String {
        let score = PlotAxis(linear: advice.trials.map(\.score), scoreName)
        let megabytes = advice.trials.map { Double($0.trainingBytes) / 1e6 }
        let memory = PlotAxis(logarithmic: megabytes, "training memory, MB (log)") {
            $0 < 1 ? String(format: "%g", $0) : String(format: "%.0f", $0)
        }
        let counts = advice.trials.map { Double($0.adapterParameters) }
        let parameters = PlotAxis(logarithmic: counts, "adapter parameters (log)") {
            switch $0 {
            case 1e6...: String(format: "%.0fM", $0 / 1e6)
            case 1e3...: String(format: "%.0fk", $0 / 1e3)
            default: String(format: "%.0f", $0)
            }
        }
        let (width, height) = (2 * Self.panelWidth, Self.height)
        let heading = "Adapters of \(advice.backbone), tried on \(advice.tasks.joined(separator: ", "))"
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(Int(width)) \#(Int(height))" role="img" "#
                + #"aria-labelledby="title description" font-family="Helvetica, Arial, sans-serif" font-size="12">"#,
            "<title id=\"title\">\(SVG.escaped(heading))</title>",
            "<desc id=\"description\">\(SVG.escaped(description))</desc>",
            ##"<rect width="100%" height="100%" fill="#ffffff"/>"##,
            SVG.text(heading, at: (Self.frame.left, 26), ##"font-size="16" font-weight="bold" fill="#1b1b1b""##),
            SVG.text(
                "up and to the left is better; filled: nothing is better in both; ring: recommended",
                at: (Self.frame.left, 46), ##"fill="#555555""##),
        ]
        lines += panel(at: 0, memory, score) { Double($0.trainingBytes) / 1e6 }
        lines += panel(at: Self.panelWidth, parameters, score) { Double($0.adapterParameters) }
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    /// The same in words.
    private var description: String {
        let points = advice.trials.map {
            String(format: "%@: %.3f, ", $0.kind, $0.score)
                + "\(ByteCount($0.trainingBytes)), \($0.adapterParameters) parameters"
        }
        let recommended = advice.recommended.map { " Recommended: \($0.kind)." } ?? ""
        return "\(scoreName), training memory and adapter parameters. \(points.joined(separator: "; ")).\(recommended)"
    }

    /// One pair of axes with its points, the front among them, and their names.
    private func panel(at offset: Double, _ horizontal: PlotAxis, _ vertical: PlotAxis, _ cost: (TriedAdapter) -> Double)
        -> [String]
    {
        let frame = Self.frame
        let (left, right) = (offset + frame.left, offset + Self.panelWidth - frame.right)
        let (top, bottom) = (frame.top, Self.height - frame.bottom)
        // Points stay clear of the frame.
        func x(_ value: Double) -> Double { left + 14 + horizontal.place(of: value) * (right - left - 28) }
        func y(_ value: Double) -> Double { bottom - 10 - vertical.place(of: value) * (bottom - top - 20) }
        var lines: [String] = []
        for tick in vertical.ticks {
            lines.append(SVG.line((left, y(tick.value)), (right, y(tick.value)), "#e4e4e4"))
            lines.append(SVG.text(tick.text, at: (left - 8, y(tick.value) + 4), ##"text-anchor="end" fill="#444444""##))
        }
        for tick in horizontal.ticks {
            lines.append(SVG.line((x(tick.value), top), (x(tick.value), bottom), "#e4e4e4"))
            lines.append(SVG.text(tick.text, at: (x(tick.value), bottom + 18), ##"text-anchor="middle" fill="#444444""##))
        }
        lines.append(SVG.line((left, bottom), (right, bottom), "#444444"))
        lines.append(SVG.line((left, top), (left, bottom), "#444444"))
        lines.append(
            SVG.text(horizontal.title, at: ((left + right) / 2, bottom + 42), ##"text-anchor="middle" fill="#1b1b1b""##))
        let middle = (top + bottom) / 2
        lines.append(
            SVG.text(
                vertical.title, at: (left - 48, middle),
                ##"text-anchor="middle" fill="#1b1b1b" "##
                    + #"transform="rotate(-90 \#(SVG.number(left - 48)) \#(SVG.number(middle)))""#))

        let points = advice.trials.map { (trial: $0, cost: cost($0), at: (x: x(cost($0)), y: y($0.score))) }
        let front = points.filter { point in
            !points.contains { other in
                other.cost <= point.cost && other.trial.score >= point.trial.score
                    && (other.cost, other.trial.score) != (point.cost, point.trial.score)
            }
        }.sorted { ($0.cost, $0.trial.score) < ($1.cost, $1.trial.score) }
        if let first = front.first {
            // A step: what the next one costs buys its score, nothing in between does.
            var path = "M\(SVG.number(first.at.x)) \(SVG.number(first.at.y))"
            for point in front.dropFirst() { path += " H\(SVG.number(point.at.x)) V\(SVG.number(point.at.y))" }
            path += " H\(SVG.number(right))"
            lines.append(##"<path d="\##(path)" fill="none" stroke="#0b6bb5" stroke-width="1.5"/>"##)
        }
        var labels = PlotLabels(
            area: .init(left: left + 2, top: top, right: right, bottom: bottom), avoiding: points.map(\.at))
        let recommended = advice.recommended?.kind
        // Those on the front first: they get the places beside their points.
        for point in points.sorted(by: { a, _ in front.contains { $0.trial.kind == a.trial.kind } }) {
            let box = labels.place(point.trial.kind, beside: point.at)
            let end = box.nearest(to: point.at)
            if hypot(end.x - point.at.x, end.y - point.at.y) > 12 { lines.append(SVG.line(point.at, end, "#9a9a9a")) }
            // White around the letters, where they stand on a line.
            let halo = ##" stroke="#ffffff" stroke-width="3" paint-order="stroke""##
            let weight = point.trial.kind == recommended ? #" font-weight="bold""# : ""
            let style = ##"fill="#1b1b1b"\##(halo)\##(weight)"##
            lines.append(SVG.text(point.trial.kind, at: (box.left, box.bottom - 3), style))
        }
        for point in points {
            let isFirst = front.contains { $0.trial.kind == point.trial.kind }
            let place = (SVG.number(point.at.x), SVG.number(point.at.y))
            if point.trial.kind == recommended {
                lines.append(
                    ##"<circle cx="\##(place.0)" cy="\##(place.1)" r="9" fill="none" stroke="#c8500a" stroke-width="2"/>"##)
            }
            lines.append(
                ##"<circle cx="\##(place.0)" cy="\##(place.1)" r="4.5" fill="\##(isFirst ? "#0b6bb5" : "#ffffff")" "##
                    + ##"stroke="#0b6bb5" stroke-width="1.5"/>"##)
        }
        return lines
    }
}
