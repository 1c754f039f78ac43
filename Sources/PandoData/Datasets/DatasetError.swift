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

    /// Throws all that was found, if anything was.
    func check() throws(DatasetError) {
        if !problems.isEmpty { throw DatasetError(problems) }
    }
}

/// The known word nearest to a mistyped one, if one is near: at most a third of its letters differ.
package func nearMiss(to word: String, among known: some Sequence<String>) -> String? {
    func distance(_ first: [Character], _ second: [Character]) -> Int {
        var row = Array(0...second.count)
        for (i, left) in first.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in second.enumerated() {
                (diagonal, row[j + 1]) = (row[j + 1], min(diagonal + (left == right ? 0 : 1), row[j] + 1, row[j + 1] + 1))
            }
        }
        return row[second.count]
    }
    let letters = Array(word.lowercased())
    return known.map { (word: $0, distance: distance(letters, Array($0.lowercased()))) }
        .filter { $0.distance <= max(1, $0.word.count / 3) }
        .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
}
