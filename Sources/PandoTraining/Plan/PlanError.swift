/// Everything wrong with a plan, found in one reading.
public struct PlanError: Error, Sendable, Equatable, CustomStringConvertible {
    /// One thing wrong with a plan.
    public struct Problem: Sendable, Equatable, CustomStringConvertible {
        /// The place in the plan, as keys joined by dots (`tasks.tags.head`); empty for the whole file.
        public var path: String
        /// The line in the file, from 1.
        public var line: Int?
        /// What was found, what was expected, what to do.
        public var message: String

        public var description: String {
            [line.map { "line \($0)" }, path.isEmpty ? nil : path, message].compactMap { $0 }.joined(separator: ": ")
        }
    }

    /// The plan's file, as the user named it.
    public var file: String
    /// In the order of the file.
    public var problems: [Problem]

    public var description: String {
        guard problems.count > 1 else { return "\(file): \(problems.first?.description ?? "the plan cannot be used")" }
        return "\(file) has \(problems.count) problems:\n" + problems.map { "  \($0)" }.joined(separator: "\n")
    }
}
