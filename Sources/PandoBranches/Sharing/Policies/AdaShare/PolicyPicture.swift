import Foundation

/// A picture of who uses which block: a row for each task, a column for each block.
public struct PolicyPicture {
    private let policy: BlockPolicy
    /// How likely each task runs each block; `nil` for what is decided.
    private let likelihoods: [[Double]]?

    /// - Precondition: likelihoods, if given, are of the policy's tasks and blocks.
    public init(_ policy: BlockPolicy, likelihoods: [[Double]]? = nil) {
        (self.policy, self.likelihoods) = (policy, likelihoods)
    }

    private static let (cell, gap, top) = (34, 4, 58)

    /// The picture as an SVG file.
    public var svg: String {
        let left = 24 + 8 * (policy.tasks.map(\.name.count).max() ?? 0)
        let blocks = policy.tasks.first?.runs.count ?? 0
        let step = Self.cell + Self.gap
        let (width, height) = (max(left + blocks * step + 20, 320), Self.top + policy.tasks.count * step + 44)
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(width) \#(height)" role="img" "#
                + #"aria-labelledby="title description" font-family="Helvetica, Arial, sans-serif" font-size="12">"#,
            "<title id=\"title\">Who uses which block</title>",
            "<desc id=\"description\">\(Self.escaped(description))</desc>",
            ##"<rect width="100%" height="100%" fill="#ffffff"/>"##,
            ##"<text x="20" y="24" font-size="15" font-weight="bold" fill="#1b1b1b">Who uses which block</text>"##,
        ]
        for block in 0..<blocks {
            let x = left + block * step + Self.cell / 2
            lines.append(##"<text x="\##(x)" y="\##(Self.top - 8)" text-anchor="middle" fill="#444444">\##(block)</text>"##)
        }
        for (row, task) in policy.tasks.enumerated() {
            let y = Self.top + row * step
            let middle = y + Self.cell / 2 + 4
            lines.append(
                ##"<text x="\##(left - 8)" y="\##(middle)" text-anchor="end" fill="#1b1b1b">\##(Self.escaped(task.name))</text>"##)
            for (block, runs) in task.runs.enumerated() {
                let x = left + block * step
                lines.append(
                    ##"<rect x="\##(x)" y="\##(y)" width="\##(Self.cell)" height="\##(Self.cell)" rx="4" "##
                        + ##"fill="\##(runs ? "#0b6bb5" : "#ffffff")" stroke="\##(runs ? "#0b6bb5" : "#b0b0b0")"/>"##)
                if let likelihood = likelihoods?[row][block] {
                    lines.append(
                        ##"<text x="\##(x + Self.cell / 2)" y="\##(middle)" text-anchor="middle" font-size="10" "##
                            + ##"fill="\##(runs ? "#ffffff" : "#444444")">\##(String(format: "%.2f", likelihood))</text>"##)
                }
            }
        }
        let meaning = likelihoods == nil ? "filled: runs" : "filled: runs; numbers: how likely it was to run"
        lines.append(##"<text x="20" y="\##(height - 14)" fill="#555555">\##(meaning)</text>"##)
        return (lines + ["</svg>"]).joined(separator: "\n") + "\n"
    }

    /// The same in words.
    private var description: String {
        policy.tasks.map { task in
            let blocks = task.runs.indices.filter { task.runs[$0] }.map(String.init)
            return "\(task.name) runs \(blocks.isEmpty ? "no block" : "blocks " + blocks.joined(separator: ", "))"
        }.joined(separator: "; ") + "."
    }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
    }
}
