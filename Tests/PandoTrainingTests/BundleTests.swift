import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoTraining

@Suite struct BundleTests {
    private static let cost = TrainingCost(
        computedImages: 3, featureSeconds: 1, headSeconds: 2, peakTensorBytes: 4, peakResidentBytes: 5)

    /// Length of the vectors that heads of the default plan take.
    private static let vectorLength = MobileNetV2Configuration().makeNetwork().vectorLength(reading: BackbonePlan().readTaps)

    /// A trained task with weights of its own.
    private func trained(_ name: String, _ kind: TaskKind = .classification, phase: Float = 1) -> TrainedTask {
        let plan = TaskPlan(name: name, kind: kind, column: "someColumn")
        let labels = LabelMap(kind == .classification || kind == .multilabel ? ["ant", "bee_hive", "çedilla"] : [])
        var head = TaskHead(untrained: plan, labelCount: labels.count, featureCount: Self.vectorLength, textFeatureCount: 384)
        var place = phase
        head.updateParameters { _, tensor in
            place += 1
            return irregular(tensor.shape, phase: place)
        }
        return TrainedTask(
            data: TaskData(plan: plan, labels: labels, texts: [], examples: [:]),
            branch: Branch(adapter: Probe(featureCount: head.featureCount), head: head), bestEpoch: 1, epochs: 2)
    }

    private func write(_ tasks: [TrainedTask], to url: URL, textFolder: URL? = nil) throws {
        let metrics = TaskMetrics.classification(
            ClassificationMetrics(outputs: ScoreTable([2, 1, 0, 3], columnCount: 2), targets: [0, 0]))
        try Bundle.write(
            to: url, plan: Plan(name: "small", data: DataPlan(kind: .scenes), tasks: tasks.map(\.data.plan)),
            backbone: PlanBackbone(
                network: MobileNetV2Configuration().makeNetwork(), reading: .pictures(.clipart()), folder: nil),
            textFolder: textFolder, tasks: tasks,
            metrics: Dictionary(uniqueKeysWithValues: tasks.map { ($0.data.name, [.test: metrics]) }), cost: Self.cost)
    }

    private func names(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    private func message(at url: URL) -> String {
        do {
            _ = try Bundle(at: url)
            return "the bundle was taken"
        } catch { return "\(error)" }
    }

    @Test(arguments: [TaskKind.classification, .multilabel, .regression])
    func `a task of every kind comes back as it was written`(kind: TaskKind) throws {
        let folder = try TemporaryDirectory()
        let url = folder.url.appendingPathComponent("deep/bundle")
        let written = trained("my task", kind)
        try write([written], to: url)
        let bundle = try Bundle(at: url)
        #expect(bundle.plan.name == "small")
        #expect(bundle.cost == Self.cost)
        #expect(bundle.plan.preprocessing.outputSize == Preprocessing.clipart().outputSize)
        guard case .pictures(let preprocessing) = bundle.backbone.reading else {
            Issue.record("the backbone reads no pictures")
            return
        }
        #expect(preprocessing == .clipart())
        let read = try bundle.task("my task")
        #expect(read.plan == written.data.plan)
        #expect(read.labels == written.data.labels)
        let x = irregular([2, Self.vectorLength], phase: 50)
        #expect(read.branch.head(x).scalars() == written.branch.head(x).scalars())
        #expect(try names(in: url.deletingLastPathComponent()) == ["bundle"])
        let metrics = try String(contentsOf: url.appendingPathComponent("tasks/my task/metrics.json"), encoding: .utf8)
        #expect(metrics.contains("\"accuracy\" : 0.5"))
    }

    @Test func `a bundle replaces another in one step`() throws {
        let folder = try TemporaryDirectory()
        let url = folder.url.appendingPathComponent("bundle")
        try write([trained("one")], to: url)
        try write([trained("two", phase: 9)], to: url)
        let bundle = try Bundle(at: url)
        #expect(bundle.tasks.map(\.name) == ["two"])
        #expect(try names(in: folder.url) == ["bundle"])
        #expect(try names(in: url.appendingPathComponent("tasks")) == ["two"])
    }

    @Test func `changed, missing and outside files are all named`() throws {
        let folder = try TemporaryDirectory()
        let url = folder.url.appendingPathComponent("bundle")
        try write([trained("one")], to: url)
        try Data("{ }".utf8).write(to: url.appendingPathComponent("backbone/config.json"))
        try FileManager.default.removeItem(at: url.appendingPathComponent("tasks/one/labels.json"))
        let found = message(at: url)
        #expect(found.contains("backbone/config.json is not what was written"))
        #expect(found.contains("tasks/one/labels.json"))
        let manifest = url.appendingPathComponent("bundle.json")
        let text = try String(contentsOf: manifest, encoding: .utf8)
        try Data(text.replacing("backbone/config.json", with: "../../etc/passwd").utf8).write(to: manifest)
        #expect(message(at: url).contains("../../etc/passwd, which is outside of the bundle"))
    }

    @Test func `a bundle of another version is refused with both versions`() throws {
        let folder = try TemporaryDirectory()
        let url = folder.url.appendingPathComponent("bundle")
        try write([trained("one")], to: url)
        let manifest = url.appendingPathComponent("bundle.json")
        let text = try String(contentsOf: manifest, encoding: .utf8)
        let newer = text.replacing("\"version\" : 4", with: "\"version\" : 5")
        try #require(newer != text)
        try Data(newer.utf8).write(to: manifest)
        #expect(message(at: url).contains("written by a newer Pando: format version 5, this one reads 4"))
        let older = text.replacing("\"version\" : 4", with: "\"version\" : 1")
        try Data(older.utf8).write(to: manifest)
        #expect(message(at: url).contains("written by an older Pando: format version 1, this one reads 4"))
        try Data("{".utf8).write(to: manifest)
        #expect(message(at: url).contains("bundle.json is damaged"))
    }

    @Test func `what is not a bundle is neither read nor replaced`() throws {
        let folder = try TemporaryDirectory()
        #expect(message(at: folder.url.appendingPathComponent("nowhere")).contains("there is no such bundle"))
        #expect(message(at: folder.url).contains("it is no bundle"))
        let mine = folder.url.appendingPathComponent("mine")
        try FileManager.default.createDirectory(at: mine, withIntermediateDirectories: true)
        try Data("precious".utf8).write(to: mine.appendingPathComponent("diary.txt"))
        #expect(throws: BundleError.self) { try write([trained("one")], to: mine) }
        #expect(throws: BundleError.self) { try write([trained("one")], to: mine.appendingPathComponent("diary.txt")) }
        #expect(try String(contentsOf: mine.appendingPathComponent("diary.txt"), encoding: .utf8) == "precious")
    }

    @Test func `a writer that fails leaves the old bundle whole and nothing beside it`() throws {
        let folder = try TemporaryDirectory()
        let url = folder.url.appendingPathComponent("bundle")
        try write([trained("one")], to: url)
        let before = try Data(contentsOf: url.appendingPathComponent("bundle.json"))
        #expect(throws: BackboneError.self) {
            try write([trained("two")], to: url, textFolder: folder.url.appendingPathComponent("nowhere"))
        }
        #expect(try Data(contentsOf: url.appendingPathComponent("bundle.json")) == before)
        #expect(try Bundle(at: url).tasks.map(\.name) == ["one"])
        #expect(try names(in: folder.url) == ["bundle"])
    }

    @Test func `an unknown task is refused with the near miss`() throws {
        let folder = try TemporaryDirectory()
        let url = folder.url.appendingPathComponent("bundle")
        try write([trained("category")], to: url)
        let bundle = try Bundle(at: url)
        #expect { try bundle.task("categry") } throws: { "\($0)".contains("did you mean 'category'?") }
    }
}
