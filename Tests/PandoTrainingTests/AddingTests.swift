import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTestSupport
import Synchronization
import Testing

@testable import PandoTraining

/// Plans of tasks that come later.
@Suite struct AdditionPlanTests {
    private static let plan = Plan(
        name: "small", data: DataPlan(kind: .clipart),
        tasks: [TaskPlan(name: "category", kind: .classification), TaskPlan(name: "tags", kind: .multilabel)],
        train: TrainPlan(epochs: 7, seed: 3))

    private func read(_ yaml: String, to plan: Plan = plan, replacing: Bool = false) throws(PlanError) -> Plan {
        try plan.addition(
            yaml: yaml, file: "more.yaml", folder: FileManager.default.temporaryDirectory, replacing: replacing)
    }

    private func problems(of yaml: String, to plan: Plan = plan, replacing: Bool = false) -> [PlanError.Problem] {
        do {
            _ = try read(yaml, to: plan, replacing: replacing)
            Issue.record("the file was taken")
            return []
        } catch { return error.problems }
    }

    @Test func `what the file leaves out is as in the bundle's plan`() throws {
        let addition = try read("tasks: {words: {kind: retrieval, column: title}}")
        #expect(addition.tasks == [TaskPlan(name: "words", kind: .retrieval, column: "title")])
        #expect(addition.train == Self.plan.train && addition.data == Self.plan.data)
        #expect(addition.backbone == Self.plan.backbone && addition.name == "small + words")
        let merged = Self.plan.merged(with: addition)
        #expect(merged.tasks.map(\.name) == ["category", "tags", "words"])
        #expect(merged.byData.map { $0.tasks.count } == [3])
    }

    @Test func `tasks say themselves what is other than in the bundle's plan`() throws {
        let addition = try read("tasks: {shape: {kind: classification}}\ndata: {kind: scenes}\ntrain: {epochs: 2}")
        #expect(addition.train.epochs == 2 && addition.train.seed == 3)
        let merged = Self.plan.merged(with: addition)
        #expect(merged.data == Self.plan.data && merged.train == Self.plan.train)
        #expect(merged.tasks[2].data == DataPlan(kind: .scenes) && merged.tasks[2].train == addition.train)
        #expect(merged.byData.map(\.data.kind) == [.clipart, .scenes])
        #expect(merged.byData.map { $0.tasks.map(\.name) } == [["category", "tags"], ["shape"]])
        let read = try JSONDecoder().decode(Plan.self, from: JSONEncoder().encode(merged))
        #expect(read == merged)
    }

    @Test func `a taken name is refused, unless it is to be replaced`() throws {
        let found = problems(of: "tasks:\n  words: {kind: retrieval}\n  tags: {kind: multilabel}")
        #expect(found.map(\.path) == ["tasks.tags"] && found[0].line == 3)
        #expect(found[0].message.contains("--replace"))
        let replaced = Self.plan.merged(
            with: try read("tasks: {category: {kind: classification, adapter: mlp}}", replacing: true))
        #expect(replaced.tasks.map(\.name) == ["category", "tags"])
        #expect(replaced.tasks[0].adapter.kind == "mlp")
    }

    @Test func `tasks that share stay, and what all shared is not shared by those that come later`() throws {
        var plan = Self.plan
        plan.sharing = SharingPlan()
        let found = problems(of: "tasks: {tags: {kind: multilabel}}", to: plan, replacing: true)
        #expect(found[0].message.contains("shares weights with others"))
        let merged = plan.merged(with: try read("tasks: {words: {kind: retrieval}}", to: plan))
        #expect(merged.sharedTasks == [0, 1])
    }

    @Test func `what belongs to the whole plan, other precision and other examples are refused together`() {
        let found = problems(
            of: """
                name: other
                backbone: mobilenet_v2
                sharing: trunk
                data: {kind: debian}
                train: {precision: bfloat16}
                task: {}
                tasks: {words: {kind: classification}}
                """)
        #expect(found.map(\.path) == ["name", "backbone", "sharing", "data", "train", "task"])
        #expect(found[1].message.contains("belongs to the whole plan"))
        #expect(found[3].message.contains("sees pictures, but these data are texts"))
        #expect(found[4].message.contains("precision auto"))
        #expect(found[5].message.contains("did you mean 'tasks'?"))
        #expect(problems(of: "")[0].message.contains("it needs tasks"))
        #expect(problems(of: "train: {epochs: 2}")[0].message.contains("'tasks' is missing"))
    }
}

/// Bundles whose tasks change.
@Suite struct ChangedBundleTests {
    private static let network = {
        var configuration = MobileNetV2Configuration()
        configuration.widths = [8, 8, 16, 16, 24, 24, 32]
        configuration.repeats = [1, 1, 1, 1, 1, 1, 1]
        (configuration.stemChannels, configuration.headChannels, configuration.expansion) = (8, 48, 2)
        configuration.classCount = 0
        var network = configuration.makeNetwork()
        network.initialize(.residual, seed: 3)
        return (configuration, network)
    }()

    private static let cost = TrainingCost(
        computedImages: 3, featureSeconds: 1, headSeconds: 2, peakTensorBytes: 4, peakResidentBytes: 5)

    /// Made-up tasks, as training leaves them.
    private func trained(_ names: String..., phase: Float = 1) -> TrainingSession.Trained {
        let backbone = BackbonePlan(Architecture(name: "mobilenet_v2", Self.network.0), weights: .random, taps: [])
        let tasks = names.map { TaskPlan(name: $0, kind: .classification) }
        let labels = LabelMap(["a", "b", "c"])
        return TrainingSession.Trained(
            plan: Plan(name: "changing", backbone: backbone, data: DataPlan(kind: .scenes), tasks: tasks),
            backbone: PlanBackbone(network: Self.network.1, reading: .pictures(.clipart()), folder: nil), textFolder: nil,
            tasks: tasks.map { task in
                var head = TaskHead(
                    untrained: task, labelCount: labels.count, featureCount: 48, textFeatureCount: 0)
                head.updateParameters { irregular($1.shape, phase: Float($0.count + task.name.count) + phase) }
                return TrainedTask(
                    data: TaskData(plan: task, labels: labels, texts: [], examples: [:]),
                    branch: Branch(adapter: Probe(featureCount: 48), head: head), bestEpoch: 1, epochs: 1)
            }, metrics: [:], cost: Self.cost)
    }

    /// Every file below a folder but the manifest, with its number and bytes.
    private func files(in url: URL) throws -> [String: (number: Int, bytes: Data)] {
        var found: [String: (Int, Data)] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: url.path) where path != BundleManifest.name {
            let file = url.appendingPathComponent(path)
            let facts = try FileManager.default.attributesOfItem(atPath: file.path)
            guard facts[.type] as? FileAttributeType == .typeRegular else { continue }
            found[path] = (facts[.systemFileNumber] as? Int ?? 0, try Data(contentsOf: file))
        }
        return found
    }

    private func bundle(_ names: String..., body: (URL) throws -> Void) throws {
        let folder = try TemporaryDirectory()
        let url = folder.file("bundle")
        var made = trained("one")
        made = names.count == 2 ? trained(names[0], names[1]) : made
        try made.write(to: url)
        try body(url)
        #expect(try folder.names.filter { $0 != "link" } == ["bundle"])
    }

    @Test func `an added task answers, and every other file is the same file`() throws {
        try bundle { url in
            try Data("mine".utf8).write(to: url.appendingPathComponent("NOTES.txt"))
            let before = try files(in: url)
            let (old, new) = (try PandoTraining.Bundle(at: url), trained("two"))
            try PandoTraining.Bundle.add(new, to: old)
            let after = try files(in: url)
            for (path, file) in before { #expect(after[path]?.number == file.number && after[path]?.bytes == file.bytes, "\(path)") }
            #expect(after.keys.filter { before[$0] == nil }.sorted() == [
                "tasks/two/README.md", "tasks/two/head.safetensors", "tasks/two/labels.json", "tasks/two/metrics.json",
                "tasks/two/task.json",
            ])
            let bundle = try PandoTraining.Bundle(at: url)
            #expect(bundle.tasks.map(\.name) == ["one", "two"])
            #expect(bundle.cost.computedImages == 6 && bundle.cost.headSeconds == 4 && bundle.cost.peakTensorBytes == 4)
            let x = irregular([2, 48], phase: 50)
            #expect(try bundle.task("two").branch.head(x).scalars() == new.tasks[0].branch.head(x).scalars())
            // Who has the old one open goes on with it.
            #expect(old.tasks.map(\.name) == ["one"])
            #expect(try old.tasks[0].branch.head(x).scalars() == bundle.task("one").branch.head(x).scalars())
        }
    }

    @Test func `a task that is trained anew takes the old one's place`() throws {
        try bundle("one", "two") { url in
            let before = try files(in: url)
            let new = trained("one", phase: 9)
            try PandoTraining.Bundle.add(new, to: try PandoTraining.Bundle(at: url))
            let after = try files(in: url)
            #expect(after["tasks/two/head.safetensors"]?.number == before["tasks/two/head.safetensors"]?.number)
            #expect(after["tasks/one/head.safetensors"]?.bytes != before["tasks/one/head.safetensors"]?.bytes)
            #expect(try PandoTraining.Bundle(at: url).tasks.map(\.name) == ["one", "two"])
        }
    }

    @Test func `two programs that add at once lose nothing`() throws {
        try bundle { url in
            let opened = try PandoTraining.Bundle(at: url)
            try PandoTraining.Bundle.add(trained("two"), to: opened)
            try PandoTraining.Bundle.add(trained("three"), to: opened)
            #expect(try PandoTraining.Bundle.taskNames(at: url) == ["one", "two", "three"])
            let taken = try #require(throws: BundleError.self) { try PandoTraining.Bundle.add(trained("two"), to: opened) }
            #expect(taken.description.contains("another program has added a task 'two' meanwhile"))
            #expect(try PandoTraining.Bundle(at: url).tasks.count == 3)
        }
    }

    @Test func `what a killed program left is harmless, and goes with the next change`() throws {
        try bundle { url in
            let head = "tasks/one/head.safetensors"
            let numbers = [Int32.max - 7, ProcessInfo.processInfo.processIdentifier]  // one of nobody, one given again
            for number in numbers {
                let draft = url.deletingLastPathComponent().appendingPathComponent(".bundle.\(number).tmp")
                let file = draft.appendingPathComponent(head)
                try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try FileManager.default.linkItem(at: url.appendingPathComponent(head), to: file)
            }
            #expect(try PandoTraining.Bundle(at: url).tasks.count == 1)
            try PandoTraining.Bundle.add(trained("two"), to: try PandoTraining.Bundle(at: url))
            #expect(try PandoTraining.Bundle(at: url).tasks.count == 2)
        }
    }

    @Test func `a link to a bundle stays a link`() throws {
        try bundle { url in
            let link = url.deletingLastPathComponent().appendingPathComponent("link")
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: url)
            try PandoTraining.Bundle.add(trained("two"), to: try PandoTraining.Bundle(at: link))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == url.path)
            #expect(try PandoTraining.Bundle.taskNames(at: url) == ["one", "two"])
        }
    }

    @Test func `a bundle that changes while it is read is read again, in one state`() throws {
        try bundle("one", "two") { url in
            let problems = Mutex<[String]>([])
            Parallel.run(2) { part in
                do {
                    for round in 0..<40 {
                        let opened = try PandoTraining.Bundle(at: url)
                        if part == 0 {
                            try PandoTraining.Bundle.add(trained("one", "two", phase: Float(round)), to: opened)
                        } else if !opened.tasks.allSatisfy({ opened.digests["tasks/\($0.name)/head.safetensors"] != nil }) {
                            problems.withLock { $0.append("round \(round): a head has no digest") }
                        }
                    }
                } catch { problems.withLock { $0.append("\(error)") } }
            }
            #expect(problems.withLock { $0 } == [])
        }
    }

    @Test func `tasks are removed, but not the last, not unknown ones, and none that share`() throws {
        try bundle("one", "two") { url in
            let before = try files(in: url)
            let unknown = try #require(throws: BundleError.self) { try PandoTraining.Bundle.remove(["tow"], from: url) }
            #expect(unknown.description.contains("did you mean 'two'?"))
            #expect(try PandoTraining.Bundle.remove(["one"], from: url) == ["two"])
            let after = try files(in: url)
            #expect(after.keys.filter { $0.hasPrefix("tasks/one") }.isEmpty)
            for (path, file) in after { #expect(before[path]?.number == file.number, "\(path)") }
            #expect(try PandoTraining.Bundle(at: url).tasks.map(\.name) == ["two"])
            let last = try #require(throws: BundleError.self) { try PandoTraining.Bundle.remove(["two"], from: url) }
            #expect(last.description.contains("no task would be left"))
        }
    }
}
