/// A data set that cannot be read: each problem with its file and line, the first 20 of them.
public struct DatasetError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        public var file: String
        /// Counted from 1.
        public var line: Int?
        public var message: String

        public init(file: String, line: Int? = nil, message: String) {
            self.file = file
            self.line = line
            self.message = message
        }

        public var description: String { "\(file)\(line.map { ":\($0)" } ?? ""): \(message)" }
    }

    public static let listedProblems = 20

    /// The first problems, at most `listedProblems`.
    public private(set) var problems: [Problem]
    /// How many there are in all.
    public private(set) var count: Int

    public init(_ problems: [Problem]) {
        self.problems = Array(problems.prefix(Self.listedProblems))
        count = problems.count
    }

    public var description: String {
        if count == 1 { return problems[0].description }
        let rest = count - problems.count
        return "\(count) problems:" + problems.map { "\n  - \($0)" }.joined()
            + (rest > 0 ? "\n  - and \(rest) more" : "")
    }
}

/// Gathers problems while reading goes on.
struct ProblemList {
    let file: String
    private var problems: [DatasetError.Problem] = []

    init(file: String) { self.file = file }

    mutating func add(_ message: String, line: Int? = nil) {
        problems.append(.init(file: file, line: line, message: message))
    }

    /// Whether there are as many as an error lists, so that reading a hostile file on would only fill memory.
    var isFull: Bool { problems.count >= DatasetError.listedProblems }

    /// Throws all that was found, if anything was.
    func check() throws(DatasetError) {
        if !problems.isEmpty { throw DatasetError(problems) }
    }
}
