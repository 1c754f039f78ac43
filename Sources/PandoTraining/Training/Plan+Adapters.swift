import PandoBackbones
import PandoBranches
import PandoTensor

extension Plan {
    /// Each task's adapter as training begins, in order: its own, or its view on what is shared.
    /// - Throws: `AdapterError` naming the task, if the backbone cannot carry it.
    func freshAdapters(on network: any Backbone) throws(AdapterError) -> [any Adapter] {
        let shared = try freshSharing(on: network)
        let numbers = Dictionary(uniqueKeysWithValues: zip(sharedTasks, 0...))
        var problems: [String] = []
        let adapters = tasks.indices.compactMap { index -> (any Adapter)? in
            if let shared, let number = numbers[index] { return SharedView(shared, task: number) }
            do throws(AdapterError) {
                return try tasks[index].freshAdapter(on: network, plan: self)
            } catch {
                problems += error.problems.map { "tasks.\(tasks[index].name).adapter: \(error.source): \($0)" }
                return nil
            }
        }
        guard problems.isEmpty else { throw AdapterError("plan '\(name)'", problems) }
        return adapters
    }

    /// What the tasks share, before training; `nil` if nothing.
    /// - Throws: `AdapterError`, if the backbone cannot carry it.
    func freshSharing(on network: any Backbone) throws(AdapterError) -> (any Sharing)? {
        guard let sharing, !sharedTasks.isEmpty else { return nil }
        var generator = SeededGenerator(seed: train.seed).split("sharing")
        do throws(AdapterError) {
            return try sharing.choice.configuration.makeSharing(
                on: network, vectorLength: network.vectorLength(reading: backbone.readTaps), taskCount: sharedTasks.count,
                using: &generator)
        } catch {
            throw AdapterError("plan '\(name)'", error.problems.map { "sharing: \(error.source): \($0)" })
        }
    }
}

extension TaskPlan {
    /// The task's adapter before training.
    func freshAdapter(on network: any Backbone, plan: Plan) throws(AdapterError) -> any Adapter {
        var generator = SeededGenerator(seed: (train ?? plan.train).seed).split("adapter \(name)")
        return try adapter.configuration.makeAdapter(
            on: network, vectorLength: network.vectorLength(reading: plan.backbone.readTaps), using: &generator)
    }
}
