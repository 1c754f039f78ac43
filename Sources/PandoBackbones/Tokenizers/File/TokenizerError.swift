/// Why a tokenizer cannot be built from a file: everything that is wrong with it, by place in the file.
public struct TokenizerError: Error, CustomStringConvertible, Sendable {
    public let path: String
    /// Each begins with the part of the file that is meant: `model: …`.
    public let problems: [String]

    public init(path: String, problems: [String]) {
        self.path = path
        self.problems = problems
    }

    public var description: String {
        if problems.count == 1 { return "cannot use the tokenizer \(path): \(problems[0])" }
        return "cannot use the tokenizer \(path):\n" + problems.map { "  - \($0)" }.joined(separator: "\n")
    }
}
