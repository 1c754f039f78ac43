import ArgumentParser
import Foundation
import Pando

/// `pando budget`: which labels to buy.
struct BudgetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "budget",
        abstract: "Decide for which tasks to buy labels, and which examples to label next.",
        discussion: """
              pando budget plan.yaml --labels 500 --cost detection=3 -o next.csv
              pando budget Examples/debian.yaml --labels 1200 --seed-labels 40

            Each task's learning curve is measured on parts of the labels that there are, and what tasks are worth to each \
            other by looking ahead; labels go where they promise most. With --seed-labels nothing is bought: so many labels \
            of each task are taken to be known, the others are revealed as they are bought, and several ways to spend the \
            budget are held against each other.
            """)

    @Argument(help: "The plan, a YAML file.")
    var plan: String

    @Option(help: ArgumentHelp("What can be spent, in labels that cost 1.", valueName: "number"))
    var labels: Double

    @Option(help: ArgumentHelp("What a label of a task costs (default: 1); may be repeated.", valueName: "task=number"))
    var cost: [String] = []

    @Option(help: "The budget is spent in so many equal rounds; after each it is decided anew.")
    var rounds = 5

    @Option(help: ArgumentHelp("Try ways to spend it, with so many labels of each task at the start.", valueName: "number"))
    var seedLabels: Int?

    @Option(help: ArgumentHelp("Tasks to consider, separated by commas (default: all).", valueName: "names"))
    var tasks: String?

    @Option(help: "Training steps of each measurement.")
    var steps = 200

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write the examples to label next: CSV, or JSON Lines if it ends in .jsonl.", valueName: "file"))
    var output: String?

    @OptionGroup var features: FeatureOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard labels.isFinite, labels > 0 else { throw ValidationError("--labels is more than 0, not \(labels)") }
        guard (1...1000).contains(rounds) else { throw ValidationError("--rounds is 1 to 1000, not \(rounds)") }
        guard (1...100_000).contains(steps) else { throw ValidationError("--steps is 1 to 100000, not \(steps)") }
        if seedLabels != nil, output != nil {
            throw ValidationError("--output goes without --seed-labels, where nothing is left to label")
        }
        _ = try costs()
    }

    private func costs() throws -> [String: Double] {
        var costs: [String: Double] = [:]
        for text in cost {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let value = Double(parts[1]) else {
                throw ValidationError("--cost is a task and a number, as in detection=3, not '\(text)'")
            }
            guard costs.updateValue(value, forKey: parts[0]) == nil else {
                throw ValidationError("--cost says twice what a label of '\(parts[0])' costs")
            }
        }
        return costs
    }

    func run() throws {
        var plan = try Plan(contentsOf: URL(fileURLWithPath: plan))
        if let tasks { plan = try plan.keeping(tasks: Console.names(tasks)) }
        let session = try features.session(plan)
        let costs = try costs()
        let display = SessionDisplay(isQuiet: printing.quiet)
        if let seedLabels {
            var settings = BudgetSimulation.Settings(money: labels)
            (settings.rounds, settings.seedLabels, settings.costs, settings.steps) = (rounds, seedLabels, costs, steps)
            let found = try Interruption.watching(display) { [settings] flag in
                try session.simulateLabels(settings, cancellation: flag, display.show)
            }
            return try show(found, plan.sharing?.tasks ?? plan.tasks.map(\.name))
        }
        let labelPlan = try Interruption.watching(display) { flag in
            try session.labelPlan(
                money: labels, costs: costs, rounds: rounds, steps: steps, cancellation: flag, display.show)
        }
        if let output {
            let url = URL(fileURLWithPath: output)
            try AtomicFile.write(try labelPlan.requests(for: url), to: url)
        }
        if printing.json { return try Console.print(json: labelPlan) }
        show(labelPlan)
    }

    private func show(_ plan: LabelPlan) {
        let tasks = plan.budget.tasks
        var table = Table(
            [.init("task")] + ["labels", "unlabelled", "cost", "error now"].map { .init($0, .right) }
                + plan.rounds.indices.map { .init("round \($0 + 1)", .right) } + [.init("error then", .right)])
        let total = tasks.indices.map { task in plan.rounds.reduce(0) { $0 + $1.labels[task] } }
        let (now, then) = (plan.budget.errors(buying: tasks.map { _ in 0 }), plan.budget.errors(buying: total))
        for (index, task) in tasks.enumerated() {
            table.add(
                [task.name, "\(task.labelled)", "\(task.available)", Console.short(task.cost), Console.number(now[index])]
                    + plan.rounds.map { "\($0.labels[index])" } + [Console.number(then[index])])
        }
        print(table)
        print("\nmean error expected to fall from \(Console.number(plan.expectedError)) to \(Console.number(plan.rounds.last?.expectedError ?? plan.expectedError))")
        print("\(plan.next.count) examples to label next" + (output.map { ": \($0)" } ?? "; -o FILE writes them down"))
        print("decide again when they are labelled: later rounds are expected, not measured")
    }

    /// A strategy's way, as JSON.
    private struct Way: Encodable {
        let strategy: BudgetStrategy
        let rounds: [BudgetSimulation.Round]
    }

    private func show(_ found: [BudgetStrategy: [BudgetSimulation.Round]], _ names: [String]) throws {
        let ways = BudgetStrategy.allCases.compactMap { strategy in
            found[strategy].map { Way(strategy: strategy, rounds: $0) }
        }
        if printing.json { return try Console.print(json: ways) }
        var table = Table(
            [.init("strategy")] + (ways.first?.rounds ?? []).map { .init("at \(Console.short($0.spent))", .right) }
                + names.map { .init($0, .right) })
        for way in ways {
            table.add(
                [way.strategy.rawValue] + way.rounds.map { Console.number($0.meanTest) }
                    + (way.rounds.last?.labels ?? []).map { "\($0)" })
        }
        print("mean test score by money spent, and the labels of each task at the end:\n")
        print(table)
        guard let uniform = found[.uniform], let last = uniform.last, let adaptive = found[.adaptive] else { return }
        if let money = BudgetSimulation.money(
            toReach: last.meanTest, along: adaptive.map { ($0.spent, $0.meanTest) })
        {
            print("\nadaptive reaches uniform's last score with \(Console.short(money)) of \(Console.short(last.spent))")
        } else {
            print("\nadaptive does not reach uniform's last score")
        }
    }
}
