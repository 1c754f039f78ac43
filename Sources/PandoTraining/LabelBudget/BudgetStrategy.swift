import Foundation
import PandoTensor

/// A way to spend money on labels.
public enum BudgetStrategy: String, Sendable, Hashable, Codable, CaseIterable {
    /// Where the learning curves, and what tasks are worth to each other, promise most.
    case adaptive
    /// As many labels of every task.
    case uniform
    /// As much money for every task.
    case equalMoney = "equal money"
    /// Labels in proportion to the examples that could be labelled.
    case proportional
    /// Shares of the money that are drawn, once for all rounds.
    case random

    /// How many labels of each task are bought.
    ///
    /// - Parameter generator: for shares that are drawn; the same state draws the same.
    public func allocation(of money: Double, _ budget: LabelBudget, using generator: SeededGenerator) -> [Int] {
        switch self {
        case .adaptive: return budget.allocation(of: money)
        case .uniform: return budget.spending(money, inShares: budget.tasks.map(\.cost))
        case .equalMoney: return budget.spending(money, inShares: budget.tasks.map { _ in 1 })
        case .proportional:
            return budget.spending(money, inShares: budget.tasks.map { Double($0.available + $0.labelled) * $0.cost })
        case .random:
            var generator = generator
            // Exponential numbers, divided by their sum, are uniform over all shares.
            return budget.spending(money, inShares: budget.tasks.map { _ in
                1e-6 - log(1 - Double(generator.uniform()))
            })
        }
    }
}
