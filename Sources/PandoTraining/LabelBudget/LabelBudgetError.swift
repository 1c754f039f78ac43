/// Why a label budget cannot be spent: everything that is wrong.
public struct LabelBudgetError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One sentence each.
    public let problems: [String]

    public init(_ problems: [String]) { self.problems = problems }

    public var description: String {
        problems.count == 1
            ? "the label budget cannot be spent: \(problems[0])"
            : "the label budget cannot be spent:\n" + problems.map { "  \($0)" }.joined(separator: "\n")
    }

    /// What is wrong with the amounts.
    static func problems(money: Double, rounds: Int, costs: [String: Double], tasks: [String]) -> [String] {
        var problems: [String] = []
        for (name, cost) in costs.sorted(by: { $0.key < $1.key }) {
            if !tasks.contains(name) {
                problems.append("the plan has no task '\(name)' that could cost \(cost)" + Suggestion.hint(for: name, among: tasks))
            }
            if !(cost > 0 && cost.isFinite) {
                problems.append("a label of '\(name)' costs \(cost); a cost is more than 0")
            }
        }
        if rounds < 1 { problems.append("\(rounds) rounds; there is at least one") }
        let all = tasks.reduce(0) { $0 + (costs[$1] ?? 1) }
        if problems.isEmpty, !(money >= all) {
            problems.append("\(money) is less than one label of each of the \(tasks.count) tasks, which is \(all)")
        }
        return problems
    }
}
