import Foundation
import PandoData
import PandoTensor

/// Which labels to buy, and what they are expected to bring.
public struct LabelPlan: Sendable, Encodable {
    /// One round's labels.
    public struct Round: Sendable, Hashable, Encodable {
        /// By task, in the order of the budget's.
        public let labels: [Int]
        public let cost: Double
        /// The tasks' mean expected error after it.
        public let expectedError: Double
    }

    /// An example to be labelled for a task.
    public struct Request: Sendable, Hashable, Codable {
        public let id, task: String
    }

    public let budget: LabelBudget
    /// The tasks' mean expected error before.
    public let expectedError: Double
    public let rounds: [Round]
    /// The first round's examples. Later rounds are better decided again when these labels are there.
    public let next: [Request]

    /// Spends the money in equal rounds, each as if the labels of those before were there.
    ///
    /// - Parameters:
    ///   - pools: by task, the ids of the examples that could be labelled.
    ///   - generator: for which of them are.
    init(
        _ budget: LabelBudget, money: Double, rounds: Int, pools: [[String]], using generator: SeededGenerator
    ) {
        self.budget = budget
        let none = budget.tasks.map { _ in 0 }
        func mean(_ bought: [Int]) -> Double {
            let errors = budget.errors(buying: bought)
            return errors.reduce(0, +) / Double(errors.count)
        }
        expectedError = mean(none)
        var bought = none
        self.rounds = (1...rounds).map { round in
            let tasks = zip(budget.tasks, bought).map {
                LabelBudget.Task(
                    $0.name, labelled: $0.labelled + $1, available: $0.available - $1, cost: $0.cost, curve: $0.curve)
            }
            let money = money * Double(round) / Double(rounds) - budget.cost(of: bought)
            let labels = LabelBudget(tasks, transfer: budget.transfer).allocation(of: money)
            bought = zip(bought, labels).map(+)
            return Round(labels: labels, cost: budget.cost(of: labels), expectedError: mean(bought))
        }
        let first = self.rounds[0].labels
        next = zip(budget.tasks, zip(first, pools)).flatMap { task, part -> [Request] in
            var stream = generator.split("to label for \(task.name)")
            return part.1.shuffled(using: &stream).prefix(part.0).map { Request(id: $0, task: task.name) }
        }
    }

    /// The first round's examples as a file: JSON Lines for a name that ends in `.jsonl`, else comma-separated values.
    public func requests(for url: URL) throws -> String {
        if url.pathExtension.lowercased() == "jsonl" {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return try next.map { String(decoding: try encoder.encode($0), as: UTF8.self) + "\n" }.joined()
        }
        func field(_ text: String) -> String {
            text.contains { ",\"\n\r".contains($0) } ? "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : text
        }
        return (["id,task"] + next.map { field($0.id) + "," + field($0.task) }).joined(separator: "\n") + "\n"
    }
}
