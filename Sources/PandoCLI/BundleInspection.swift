import Foundation
import Pando
import struct PandoTraining.Bundle

/// What `pando inspect` says of a bundle.
struct BundleInspection: Encodable {
    struct Task: Encodable {
        let name, kind, column: String
        /// The adapter's kind, or what the task shares with others.
        let adapter: String
        /// Classes or labels; 0 of numbers and texts.
        let labels: Int
        let parameters: Int
        /// The file or the kind of data of its own, if it did not learn from the plan's.
        let data: String?
    }

    /// An operating point that is worth its cost.
    struct Point: Encodable {
        let shared: Double
        /// By task; empty where tasks have no part of their own.
        let tasks: [String: Double]
        let milliseconds: Double
        /// Of the full time.
        let share: Double
        /// By task, on validation.
        let metrics: [String: Double]
    }

    let plan, backbone: String
    let backboneParameters: Int
    let trainingSeconds: Double
    let tasks: [Task]
    /// Cheapest first; `nil` where the bundle runs at one cost only.
    let front: [Point]?

    init(_ bundle: Bundle) throws {
        plan = bundle.plan.name
        backbone = bundle.plan.backbone.name
        backboneParameters = bundle.backbone.network.parameterCount
        trainingSeconds = bundle.cost.seconds
        let shared = bundle.sharedTaskNames
        tasks = bundle.tasks.map { task in
            let isShared = shared.contains(task.name)
            return Task(
                name: task.name, kind: task.plan.kind.rawValue, column: task.plan.column,
                adapter: isShared ? "shared \(bundle.plan.sharing?.choice.kind ?? "")" : task.plan.adapter.kind,
                labels: task.labels.count,
                parameters: isShared ? task.branch.head.parameterCount : task.branch.parameterCount,
                data: task.plan.data.map { $0.path?.lastPathComponent ?? $0.kind.rawValue })
        }
        guard bundle.elasticPolicy != nil else {
            front = nil
            return
        }
        let table = try bundle.costs(cachedIn: Locations.costs).table
        front = table.front().map { entry in
            Point(
                shared: entry.point.shared, tasks: Dictionary(uniqueKeysWithValues: zip(shared, entry.point.tasks)),
                milliseconds: entry.milliseconds, share: table.share(of: entry),
                metrics: Dictionary(uniqueKeysWithValues: zip(shared, entry.metrics.map(abs))))
        }
    }

    /// Prints facts, tasks, and the front as `--compute` chooses from it.
    func show(front table: Table?) {
        print("bundle         \(plan), trained in \(String(format: "%.1f s", trainingSeconds))")
        print("backbone       \(backbone), \(Console.count(backboneParameters)) parameters\n")
        var list = Table([
            .init("task"), .init("kind"), .init("column"), .init("adapter"), .init("labels", .right),
            .init("own parameters", .right), .init("data of its own"),
        ])
        for task in tasks {
            list.add(
                task.name, task.kind, task.column, task.adapter, task.labels == 0 ? "" : "\(task.labels)",
                Console.count(task.parameters), task.data ?? "")
        }
        print(list)
        if let table { print("\nwhat --compute chooses from, measured on validation:\n\(table)") }
    }
}
