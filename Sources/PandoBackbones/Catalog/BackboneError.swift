/// Why a source does not give a backbone: every problem found, one sentence each.
public struct BackboneError: Error, CustomStringConvertible, Sendable {
    /// The file, folder or name.
    public let source: String
    public let problems: [String]

    public init(_ source: String, _ problems: [String]) {
        self.source = source
        self.problems = problems
    }

    public init(_ source: String, _ problem: String) { self.init(source, [problem]) }

    public var description: String {
        problems.count == 1
            ? "\(source): \(problems[0])" : "\(source):\n" + problems.map { "  - \($0)" }.joined(separator: "\n")
    }
}
