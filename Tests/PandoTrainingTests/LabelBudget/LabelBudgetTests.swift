import Foundation
import PandoTensor
import Testing

@testable import PandoTraining

@Suite struct LabelBudgetTests {
    private func task(_ name: String, _ exponent: Double, scale: Double = 1, cost: Double = 1, available: Int = 10_000)
        -> LabelBudget.Task
    {
        .init(
            name, labelled: 50, available: available, cost: cost,
            curve: LearningCurve(scale: scale, exponent: exponent))
    }

    private func alone(_ count: Int) -> [[Double]] { (0..<count).map { row in (0..<count).map { $0 == row ? 1 : 0 } } }

    @Test(arguments: [100.0, 400, 2000])
    func `no allocation on a grid is better`(money: Double) {
        var transfer = alone(3)
        (transfer[0][1], transfer[2][0]) = (0.4, 0.7)
        let budget = LabelBudget(
            [task("a", 0.3, cost: 3), task("b", 0.5, scale: 2), task("c", 0.2, cost: 2)], transfer: transfer)
        let found = budget.allocation(of: money)
        #expect(budget.cost(of: found) <= money)
        var best = 0.0
        for first in 0...40 {
            for second in 0...40 - first {
                let shares = [first, second, 40 - first - second].map { Double($0) / 40 * money }
                best = max(best, budget.gain(buying: zip(shares, budget.tasks).map { Int($0 / $1.cost) }))
            }
        }
        #expect(budget.gain(buying: found) >= best * 0.9999, "\(found)")
    }

    @Test func `what learns nothing gets nothing`() {
        let budget = LabelBudget([task("learns", 0.3), task("noise", 0)], transfer: alone(2))
        #expect(budget.allocation(of: 300) == [300, 0])
    }

    @Test func `money goes to the cheap task that teaches the dear one`() {
        let tasks = [task("dear", 0.3, cost: 4), task("cheap copy", 0.3)]
        let apart = LabelBudget(tasks, transfer: alone(2)).allocation(of: 400)
        let together = LabelBudget(tasks, transfer: [[1, 1], [1, 1]]).allocation(of: 400)
        #expect(apart[0] > 20 && together == [0, 400])
    }

    @Test func `prices decide as they should`() {
        func allocation(_ costs: [Double], _ money: Double) -> [Int] {
            LabelBudget([task("a", 0.4, cost: costs[0]), task("b", 0.4, cost: costs[1])], transfer: alone(2)).allocation(
                of: money)
        }
        let found = allocation([1, 3], 600)
        #expect(Array(allocation([3, 1], 600).reversed()) == found && found[0] > found[1])
        #expect(allocation([2, 6], 1200) == found)
    }

    @Test func `no more is bought than there is`() {
        let budget = LabelBudget([task("a", 0.5, available: 30), task("b", 0.1, available: 40)], transfer: alone(2))
        #expect(budget.allocation(of: 1000) == [30, 40])
        #expect(budget.spending(1000, inShares: [1, 1]) == [30, 40])
    }

    @Test func `where nothing promises more labels are spread evenly`() {
        let budget = LabelBudget([task("a", 0), task("b", 0)], transfer: alone(2))
        #expect(budget.allocation(of: 100) == [50, 50])
    }

    @Test func `shares are spent to the last label`() {
        let budget = LabelBudget([task("a", 0), task("b", 0, cost: 3), task("c", 0)], transfer: alone(3))
        #expect(budget.spending(100, inShares: [1, 3, 1]) == [20, 20, 20])
        #expect(budget.cost(of: budget.spending(101, inShares: [0.2, 0.5, 0.3])) >= 100)
    }

    @Test func `strategies spend as they say`() {
        let budget = LabelBudget(
            [task("a", 0.5, available: 950), task("b", 0.01, available: 150)], transfer: alone(2))
        let generator = SeededGenerator(seed: 1)
        #expect(BudgetStrategy.uniform.allocation(of: 120, budget, using: generator) == [60, 60])
        let dear = LabelBudget([task("a", 0.5), task("b", 0.5, cost: 3)], transfer: alone(2))
        #expect(BudgetStrategy.uniform.allocation(of: 120, dear, using: generator) == [30, 30])
        #expect(BudgetStrategy.equalMoney.allocation(of: 120, dear, using: generator) == [60, 20])
        #expect(BudgetStrategy.proportional.allocation(of: 120, budget, using: generator) == [100, 20])
        let drawn = BudgetStrategy.random.allocation(of: 120, budget, using: generator)
        #expect(drawn.reduce(0, +) == 120 && drawn == BudgetStrategy.random.allocation(of: 120, budget, using: generator))
        #expect(drawn != BudgetStrategy.random.allocation(of: 120, budget, using: SeededGenerator(seed: 2)))
        #expect(BudgetStrategy.adaptive.allocation(of: 120, budget, using: generator)[0] > 100)
    }

    @Test func `what cannot be spent is told all at once`() throws {
        let problems = LabelBudgetError.problems(
            money: 10, rounds: 0, costs: ["sectoin": 2, "role": 0], tasks: ["section", "role"])
        #expect(problems.count == 3)
        #expect(problems.contains { $0.contains("did you mean 'section'") } && problems.contains { $0.contains("more than 0") })
        let few = LabelBudgetError.problems(money: 4, rounds: 1, costs: ["role": 3.5], tasks: ["section", "role"])
        #expect(few == ["4.0 is less than one label of each of the 2 tasks, which is 4.5"])
    }

    @Test func `the money to reach a score is read between rounds`() {
        let way = [(spent: 0.0, score: 0.2), (spent: 100, score: 0.4), (spent: 200, score: 0.5)]
        #expect(abs((BudgetSimulation.money(toReach: 0.3, along: way) ?? 0) - 50) < 1e-9)
        #expect(abs((BudgetSimulation.money(toReach: 0.45, along: way) ?? 0) - 150) < 1e-9)
        #expect(BudgetSimulation.money(toReach: 0.1, along: way) == 0 && BudgetSimulation.money(toReach: 0.6, along: way) == nil)
    }

    @Test func `what to label next is the first rounds share of each pool`() throws {
        let budget = LabelBudget([task("a", 0.5), task("b", 0.2)], transfer: alone(2))
        let pools = [(0..<500).map { "a\($0)" }, (0..<500).map { "b,\($0)" }]
        let plan = LabelPlan(budget, money: 100, rounds: 4, pools: pools, using: SeededGenerator(seed: 3))
        #expect(plan.rounds.count == 4 && plan.rounds.allSatisfy { $0.labels.reduce(0, +) == 25 })
        #expect(plan.rounds.map(\.expectedError) == plan.rounds.map(\.expectedError).sorted(by: >))
        #expect(plan.next.count == 25 && Set(plan.next).count == 25)
        #expect(plan.next.count { $0.task == "b" } == plan.rounds[0].labels[1])
        let csv = try plan.requests(for: .init(fileURLWithPath: "next.csv")).split(separator: "\n")
        #expect(csv[0] == "id,task" && csv.count == 26)
        if let first = plan.next.first(where: { $0.task == "b" }) { #expect(csv.contains("\"\(first.id)\",b")) }
        let lines = try plan.requests(for: .init(fileURLWithPath: "next.jsonl")).split(separator: "\n")
        #expect(lines.count == 25 && lines[0] == "{\"id\":\"\(plan.next[0].id)\",\"task\":\"a\"}")
    }
}
