import Foundation
import Glibc
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor

extension Bundle {
    /// Refuses a place where something other than a bundle stands.
    /// - Throws: `BundleError`.
    public static func checkReplaceable(_ url: URL) throws(BundleError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else { return }
        let manifest = url.appendingPathComponent(BundleManifest.name).path
        let entries = isFolder.boolValue ? FileManager.default.subpaths(atPath: url.path) ?? [] : ["a file"]
        guard entries.isEmpty || FileManager.default.fileExists(atPath: manifest) else {
            throw BundleError(url.path, "something that is no bundle stands there; name another place, or remove it")
        }
    }

    /// Refuses a place where no bundle can be written, before any work is done for it.
    /// - Throws: `BundleError` or `FileError`.
    public static func checkWritable(_ url: URL) throws {
        try checkReplaceable(url)
        var parent = url.standardizedFileURL.deletingLastPathComponent()
        while parent.path != "/", !FileManager.default.fileExists(atPath: parent.path) { parent.deleteLastPathComponent() }
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: parent.path, isDirectory: &isFolder)
        guard isFolder.boolValue else {
            throw BundleError(url.path, "\(parent.path) is a file, not a folder; name another place")
        }
        guard access(parent.path, W_OK | X_OK) == 0 else {
            throw FileError(operation: "write in", path: parent.path, code: errno)
        }
    }

    /// Writes a bundle beside `url` and puts it in its place when it is whole: a bundle that was there stays until then.
    ///
    /// - Parameters:
    ///   - textFolder: the text encoder's folder, copied; needed by retrieval tasks.
    ///   - metrics: by task and split.
    /// - Throws: `BundleError` or `FileError`; nothing is changed then.
    static func write(
        to url: URL, plan: Plan, backbone: PlanBackbone, textFolder: URL?, tasks: [TrainedTask],
        metrics: [String: [Split: TaskMetrics]], cost: TrainingCost, costs: MeasuredCosts? = nil
    ) throws {
        try checkReplaceable(url)
        try drafted(for: url) { url, contents in
            switch backbone.reading {
            case .pictures(let preprocessing):
                try contents.writeBackbone(plan.backbone.architecture, backbone.pictures(), preprocessing)
            case .texts:
                guard let folder = backbone.folder else { stop("Bundle: a network over texts without its folder") }
                try contents.copyTextEncoder(from: folder, to: "backbone")
            }
            if let textFolder { try contents.copyTextEncoder(from: textFolder, to: textEncoderFolder) }
            if let view = tasks.lazy.compactMap({ $0.branch.adapter as? SharedView }).first {
                try contents.write(tensors: view.sharing.namedTensors, to: Bundle.sharingFile)
            }
            if let costs { try contents.write(json: costs, to: Bundle.costsFile) }
            for task in tasks { try contents.write(task, metrics: metrics[task.data.name] ?? [:], plan: plan) }
            try contents.write(
                json: BundleManifest(plan: plan, cost: cost, files: contents.digests), to: BundleManifest.name)
        }
    }

    /// Lets `body` write a bundle beside `url`, and puts it in its place when it is whole.
    ///
    /// - Parameter body: is given the place with its links followed, and where to write.
    static func drafted(for url: URL, _ body: (URL, inout BundleContents) throws -> Void) throws {
        let url = url.standardizedFileURL.resolvingSymlinksInPath()
        let parent = url.deletingLastPathComponent()
        removeAbandonedDrafts(of: url.lastPathComponent, in: parent)
        let draft = parent.appendingPathComponent(".\(url.lastPathComponent).\(getpid()).tmp")
        do {
            // One of our own number is a killed program's: containers give the same numbers again.
            if FileManager.default.fileExists(atPath: draft.path) { try FileManager.default.removeItem(at: draft) }
            try Folder.make(draft)
            var contents = BundleContents(folder: draft)
            try body(url, &contents)
            try replace(url, by: draft)
        } catch {
            try? FileManager.default.removeItem(at: draft)  // the error that led here is the one to tell
            throw error
        }
    }

    /// Puts `draft` in the place of `url`: in one step where the file system can exchange two folders; else the old
    /// bundle keeps its name with `.old` until the new one stands.
    private static func replace(_ url: URL, by draft: URL) throws {
        guard FileManager.default.fileExists(atPath: url.path) else { return try rename(draft, to: url) }
        if exchange(draft, url) { return try FileManager.default.removeItem(at: draft) }
        let old = draft.appendingPathExtension("old")
        try rename(url, to: old)
        do { try rename(draft, to: url) } catch {
            try rename(old, to: url)
            throw error
        }
        try FileManager.default.removeItem(at: old)
    }

    /// Exchanges two names, and says whether that was possible.
    ///
    /// Swift's C library module leaves `renameat2` out, so it is looked up by name; its signature is Linux's.
    private static func exchange(_ one: URL, _ other: URL) -> Bool {
        typealias RenameAt2 = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
        guard let symbol = dlsym(nil, "renameat2") else { return false }
        let exchangeFlag: UInt32 = 2  // RENAME_EXCHANGE
        return unsafeBitCast(symbol, to: RenameAt2.self)(AT_FDCWD, one.path, AT_FDCWD, other.path, exchangeFlag) == 0
    }

    private static func rename(_ source: URL, to target: URL) throws(FileError) {
        guard Glibc.rename(source.path, target.path) == 0 else {
            throw FileError(operation: "rename \(source.path) to", path: target.path, code: errno)
        }
    }

    /// Removes what killed processes left of bundles they were writing here.
    private static func removeAbandonedDrafts(of name: String, in parent: URL) {
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: parent.path)) ?? [] {
            guard entry.hasPrefix(".\(name)."), let process = Int32(entry.dropFirst(name.count + 2).prefix { $0 != "." }),
                entry == ".\(name).\(process).tmp", !Machine.isAlive(process: process)
            else { continue }
            // One that cannot be removed costs room and nothing else.
            try? FileManager.default.removeItem(at: parent.appendingPathComponent(entry))
        }
    }
}
