import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor

extension TrainingSession {
    /// Trains the tasks that share something together, and the others each by itself.
    ///
    /// - Parameter recorder: `nil` if nothing is to be kept but what is returned.
    /// - Returns: the plan as it came out, in which tasks that harmed the others stand alone, and all tasks in its order.
    package func trainTogether(
        _ tasks: [BranchTask], on backbone: PlanBackbone, _ recorder: Recorder?, resumes: Bool,
        _ cancellation: CancellationFlag?, _ report: @escaping @Sendable (Event) -> Void
    ) throws -> (plan: Plan, tasks: [TrainedTask]) {
        var (session, tasks) = (self, tasks)
        if plan.sharing?.staging.filters == true {
            let filtered = try filteredPlan(tasks, recorder, resumes: resumes, cancellation, report)
            session.plan = filtered
            let adapters = try filtered.freshAdapters(on: backbone.network)
            tasks = zip(tasks.indices, adapters).map { index, adapter in
                BranchTask(
                    TaskData(
                        plan: filtered.tasks[index], labels: tasks[index].data.labels, texts: tasks[index].data.texts,
                        examples: tasks[index].data.examples),
                    adapter: adapter, features: tasks[index].features, texts: tasks[index].texts)
            }
        }
        let shared = session.plan.sharedTasks
        let alone = tasks.indices.filter { !shared.contains($0) }
        var trained = try session.trainShared(
            shared.map { tasks[$0] }, recorder, resumes: resumes, cancellation, report)
        if !alone.isEmpty {
            trained += try session.trainAlone(
                alone.map { tasks[$0] }, recorder, at: recorder?.aloneCheckpoint, resumes: resumes, cancellation, report)
        }
        let places = Dictionary(uniqueKeysWithValues: zip(shared + alone, 0...))
        return (session.plan, tasks.indices.map { trained[places[$0]!] })
    }

    /// The plan without the sharing of tasks that harm the others: each gets the trunk's adapter for itself.
    private func filteredPlan(
        _ tasks: [BranchTask], _ recorder: Recorder?, resumes: Bool, _ cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (Event) -> Void
    ) throws -> Plan {
        guard let sharing = plan.sharing, let trunk = sharing.choice.configuration as? TrunkConfiguration,
            let first = plan.sharedTasks.first, let view = tasks[first].adapter as? SharedView
        else { stop("TrainingSession: only tasks on a trunk are filtered") }
        let filter: TaskFilter
        if resumes, let file = recorder?.filter, let data = FileManager.default.contents(atPath: file.path) {
            do { filter = try JSONDecoder().decode(TaskFilter.self, from: data) } catch {
                throw TrainingError.unusableCheckpoint(path: file.path, reason: "\(error)")
            }
            guard filter.evidence.map(\.task) == plan.sharedTasks.map({ plan.tasks[$0].name }) else {
                throw TrainingError.unusableCheckpoint(
                    path: file.path, reason: "the tasks that share have changed since; train anew, or bring the old ones back")
            }
        } else {
            let joint = JointTasks(plan.sharedTasks.map { tasks[$0] }, sharing: view.sharing)
            filter = try TaskFilter(
                joint, plan.train, mixture: sharing.mixture, sharedRate: Float(trunk.learningRateScale), workers: workers,
                cancellation: cancellation
            ) { done, total in report(.progress(title: "filtering", unit: "steps", done: done, total: total)) }
            if let file = recorder?.filter { try AtomicFile.write(try JSONEncoder().encode(filter), to: file) }
        }
        report(.message("which tasks share:\n" + filter.table))
        var filtered = plan
        filtered.sharing?.tasks = filter.kept.map { plan.tasks[plan.sharedTasks[$0]].name }
        for (place, task) in plan.sharedTasks.enumerated() where !filter.kept.contains(place) {
            filtered.tasks[task].adapter = trunk.adapter
        }
        return filtered
    }

    /// Trains tasks on what they share.
    private func trainShared(
        _ tasks: [BranchTask], _ recorder: Recorder?, resumes: Bool, _ cancellation: CancellationFlag?,
        _ report: @escaping @Sendable (Event) -> Void
    ) throws -> [TrainedTask] {
        guard let sharing = plan.sharing, let view = tasks.first?.adapter as? SharedView else {
            stop("TrainingSession: tasks that share nothing")
        }
        let joint = JointTasks(tasks, sharing: view.sharing)
        let stages = sharing.staging.stages(sizes: joint.sizes, plan.train, mixture: sharing.mixture)
        let rate = Float(sharing.choice.configuration.learningRateScale)
        var generator = SeededGenerator(seed: plan.train.seed).split("balancing")
        let balancing = sharing.balancing.configuration.makeBalancing(taskCount: tasks.count, using: &generator)
        let fingerprint = TrainingCheckpoint.fingerprint(
            plan, tasks.map(\.data), rowCount: joint.features.rowCount, featureCount: view.featureCount)
        let checkpoint = recorder?.checkpoint
        var trainer: JointTrainer
        if resumes, let checkpoint, FileManager.default.fileExists(atPath: checkpoint.path) {
            trainer = try JointTrainer(
                resuming: checkpoint, fingerprint: fingerprint, plan.train, joint, stages: stages, balancing: balancing,
                sharedRate: rate, workers: workers)
        } else {
            trainer = JointTrainer(
                plan.train, joint, stages: stages, balancing: balancing, sharedRate: rate, workers: workers)
        }
        for stage in stages where stages.count > 1 {
            let names = stage.tasks.map { tasks[$0].data.name }
            report(.message("stage \(stage.name): \(names.count) tasks (\(names.joined(separator: ", ")))"))
        }
        let ending = try trainer.run(checkpoint: checkpoint, fingerprint: fingerprint, cancellation: cancellation) {
            done, total in
            report(.progress(title: "training", unit: "steps", done: done, total: total))
        } _: { epoch in
            try recorder?.record(epoch)
            report(.epoch(epoch))
        }
        if ending == .interrupted { throw CancellationError() }
        return trainer.trained
    }
}
