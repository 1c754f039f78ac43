/// A bundle that cannot be read or written; every problem found.
public struct BundleError: Error, CustomStringConvertible, Sendable {
    public let path: String
    /// One sentence each.
    public let problems: [String]

    init(_ path: String, _ problems: [String]) {
        self.path = path
        self.problems = problems
    }

    init(_ path: String, _ problem: String) { self.init(path, [problem]) }

    public var description: String {
        problems.count == 1
            ? "\(path): \(problems[0])" : "\(path):\n" + problems.map { "  \($0)" }.joined(separator: "\n")
    }
}
