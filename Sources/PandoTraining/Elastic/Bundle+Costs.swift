import Foundation
import PandoBackbones
import PandoBranches
import PandoTensor

extension Bundle {
    /// Where the costs of an elastic policy are.
    static let costsFile = "sharing/costs.json"

    /// What tasks share, if that can be run at several costs.
    public var elasticPolicy: (any Elastic)? {
        tasks.lazy.compactMap { ($0.branch.adapter as? SharedView)?.sharing }.first as? any Elastic
    }

    /// The tasks that share something, by their numbers there.
    public var sharedTaskNames: [String] {
        tasks.compactMap { task in (task.branch.adapter as? SharedView).map { ($0.task, task.name) } }
            .sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// What each operating point takes on this machine.
    ///
    /// On another machine than the one that trained, times are measured anew and kept in `cache`.
    /// - Throws: `ComputeError` if the bundle cannot be run at several costs, and errors of reading its manifest.
    public func costs(cachedIn cache: URL) throws -> MeasuredCosts {
        guard let policy = elasticPolicy, let costs else {
            throw ComputeError(
                "\(url.path) runs at one cost only; train with sharing: tnn or sharing: ecmt to choose it")
        }
        if costs.isOfThisMachine { return costs }
        let key = try BundleManifest(in: url).files[Self.costsFile] ?? ""
        let file = cache.appendingPathComponent("\(key.prefix(32)).json")
        if let data = FileManager.default.contents(atPath: file.path),
            let kept = try? JSONDecoder().decode(MeasuredCosts.self, from: data), kept.isOfThisMachine  // else made anew
        {
            return kept
        }
        let timed = try costs.timedHere(policy, on: backbone, plan: plan)
        let encoded = try JSONEncoder().encode(timed)
        do {
            try Folder.make(cache)
            try AtomicFile.write(encoded, to: file)
        } catch {
            // What cannot be kept (a full disk, a system that is read only) is measured again the next time.
        }
        return timed
    }

    /// The bundle as it runs at a compute level, and what was chosen for that.
    ///
    /// - Parameters:
    ///   - preferences: how much tasks matter, by name; all alike if empty.
    ///   - costs: as `costs(cachedIn:)` gives them.
    /// - Throws: `ComputeError` if preferences name unknown tasks or are no numbers from 0 on.
    public func running(at level: ComputeLevel, preferring preferences: [String: Double] = [:], by costs: MeasuredCosts)
        throws(ComputeError) -> (bundle: Bundle, choice: CostTable.Choice, notices: [String])
    {
        guard let policy = elasticPolicy else { throw ComputeError("\(url.path) runs at one cost only") }
        var table = costs.table
        var wish: TaskPreferences?
        var notices: [String] = []
        if !preferences.isEmpty {
            let asked = try TaskPreferences(preferences, among: sharedTaskNames)
            if asked.wasNormalized { notices.append("preferences were scaled to add up to 1") }
            table = try table.composed(at: policy.operatingPoints(preferring: asked))
            wish = asked
        }
        let choice = table.choice(at: level, preferring: wish)
        notices += [choice.notice].compactMap(\.self)
        let shared = policy.running(at: choice.entry.point)
        var bundle = self
        bundle.tasks = tasks.map { task in
            guard let view = task.branch.adapter as? SharedView else { return task }
            return Task(
                plan: task.plan, labels: task.labels,
                branch: Branch(adapter: SharedView(shared, task: view.task), head: task.branch.head))
        }
        return (bundle, choice, notices)
    }
}
