import Foundation
import PandoData

extension Bundle {
    /// Adds branches to the bundle `opened`, in the places of those of their names if there are such.
    ///
    /// Everything else stays as it is, byte for byte. The bundle is read anew when it is written, so that what another
    /// program added meanwhile is kept.
    /// - Throws: `BundleError` if what is there now has no place for the tasks, or `FileError`; nothing is changed then.
    static func add(_ trained: TrainingSession.Trained, to opened: Bundle) throws {
        let names = trained.plan.tasks.map(\.name)
        try change(opened.url) { url, manifest, contents in
            guard manifest.backboneDigests == BundleManifest.backboneDigests(in: opened.digests) else {
                throw BundleError(url.path, "another program has replaced it by one on another backbone; add the tasks again")
            }
            let known = Set(opened.tasks.map(\.name))
            if let taken = names.first(where: { manifest.tasks.contains($0) && !known.contains($0) }) {
                throw BundleError(url.path, "another program has added a task '\(taken)' meanwhile; give this one another name")
            }
            if let shared = manifest.plan.sharedTasks.lazy.map({ manifest.plan.tasks[$0].name }).first(where: names.contains) {
                throw BundleError(url.path, "the task '\(shared)' shares weights with others and is not trained anew alone")
            }
            let plan = manifest.plan.merged(with: trained.plan)
            try contents.takeOver(url, digests: manifest.files, without: removedPlaces(names, of: plan))
            for task in trained.tasks { try contents.write(task, metrics: trained.metrics[task.data.name] ?? [:], plan: plan) }
            if let folder = trained.textFolder, !manifest.hasTextEncoder {
                try contents.copyTextEncoder(from: folder, to: textEncoderFolder)
            }
            return BundleManifest(plan: plan, cost: manifest.cost.adding(trained.cost), files: contents.digests)
        }
    }

    /// The names of the tasks of the bundle at `url`, in its plan's order.
    /// - Throws: `BundleError`.
    public static func taskNames(at url: URL) throws(BundleError) -> [String] { try BundleManifest(in: url).tasks }

    /// Takes tasks out of the bundle at `url`; everything else stays as it is, byte for byte.
    ///
    /// - Returns: the names of the tasks that are left.
    /// - Throws: `BundleError` for unknown tasks, for tasks that share weights with others, and if none would be left; or
    ///   `FileError`. Nothing is changed then.
    @discardableResult
    public static func remove(_ names: [String], from url: URL) throws -> [String] {
        var left: [String] = []
        try change(url) { url, manifest, contents in
            var plan = manifest.plan
            let shared = Set(plan.sharedTasks.map { plan.tasks[$0].name })
            let problems = names.compactMap { name -> String? in
                if !manifest.tasks.contains(name) {
                    return "there is no task '\(name)'\(Suggestion.hint(for: name, among: manifest.tasks))"
                }
                return shared.contains(name)
                    ? "the task '\(name)' shares weights with others; train the plan without it instead" : nil
            }
            guard problems.isEmpty else { throw BundleError(url.path, problems) }
            plan.tasks.removeAll { names.contains($0.name) }
            guard !plan.tasks.isEmpty else {
                throw BundleError(url.path, "no task would be left; delete the folder if the bundle is not needed")
            }
            try contents.takeOver(url, digests: manifest.files, without: removedPlaces(names, of: plan))
            left = plan.tasks.map(\.name)
            return BundleManifest(plan: plan, cost: manifest.cost, files: contents.digests)
        }
        return left
    }

    /// What goes with the branches of these names, if `plan` is what is left.
    private static func removedPlaces(_ names: [String], of plan: Plan) -> [String] {
        names.map { "tasks/\($0)" } + (plan.needsTextEncoder ? [] : [textEncoderFolder])
    }

    /// Writes the bundle at `url` anew beside it, with the manifest that `body` makes of its own, and puts it in its place
    /// in one step.
    private static func change(
        _ url: URL, _ body: (URL, BundleManifest, inout BundleContents) throws -> BundleManifest
    ) throws {
        try checkWritable(url)
        _ = try BundleManifest(in: url)
        try drafted(for: url) { url, contents in
            let manifest = try BundleManifest(in: url)
            try contents.write(json: body(url, manifest, &contents), to: BundleManifest.name)
            guard try BundleManifest(in: url) == manifest else {
                throw BundleError(url.path, "another program changed it at the same moment; do it again")
            }
        }
    }
}

extension BundleManifest {
    var backboneDigests: [String: String] { Self.backboneDigests(in: files) }

    static func backboneDigests(in files: [String: String]) -> [String: String] {
        files.filter { $0.key.hasPrefix("backbone/") }
    }

    var hasTextEncoder: Bool { files.keys.contains { $0.hasPrefix("\(Bundle.textEncoderFolder)/") } }
}
