import Foundation

/// Why a file of weights cannot be used: everything that is wrong with it, by place.
public struct CheckpointError: Error, CustomStringConvertible, Sendable {
    /// One thing that is wrong.
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        /// The tensor's name, or `nil` if the file as a whole is meant.
        public let tensor: String?
        /// What was expected and what was found.
        public let text: String

        public init(tensor: String? = nil, _ text: String) {
            self.tensor = tensor
            self.text = text
        }

        public var description: String { tensor.map { "\($0): \(text)" } ?? text }
    }

    public let path: String
    public let problems: [Problem]

    public init(path: String, problems: [Problem]) {
        self.path = path
        self.problems = problems
    }

    init(path: String, _ text: String) { self.init(path: path, problems: [Problem(text)]) }

    public var description: String {
        if problems.count == 1 { return "cannot use the weights in \(path): \(problems[0])" }
        return "cannot use the weights in \(path):\n" + problems.map { "  - \($0)" }.joined(separator: "\n")
    }

    /// Maps the file, with a refusal by the system told as a problem of the checkpoint.
    static func map(_ url: URL) throws(CheckpointError) -> MappedFile {
        do { return try MappedFile(url) } catch {
            throw CheckpointError(path: url.path, String(cString: strerror(error.code)))
        }
    }
}
