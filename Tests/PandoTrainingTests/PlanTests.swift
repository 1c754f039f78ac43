import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import Testing

@testable import PandoTraining

@Suite struct PlanTests {
    private func read(_ yaml: String, folder: URL = FileManager.default.temporaryDirectory) throws(PlanError) -> Plan {
        try Plan(yaml: yaml, file: "test.yaml", folder: folder)
    }

    private func problems(of yaml: String) -> [PlanError.Problem] {
        do {
            _ = try read(yaml)
            Issue.record("the plan was taken")
            return []
        } catch { return error.problems }
    }

    private let smallest = """
        name: small
        data: {kind: clipart}
        tasks:
          category: {kind: classification}
        """

    @Test func `the smallest plan gets every default`() throws {
        let plan = try read(smallest)
        #expect(plan.name == "small")
        #expect(plan.backbone == BackbonePlan())
        #expect(plan.data == DataPlan(kind: .clipart))
        #expect(plan.tasks == [TaskPlan(name: "category", kind: .classification)])
        #expect(plan.tasks[0].column == "category")
        #expect(plan.train == TrainPlan())
        #expect(!plan.needsTextEncoder)
    }

    @Test func `a plan says what its tasks share, with options, balancing and stages`() throws {
        let plan = try read(
            """
            name: shared
            data: {kind: scenes}
            sharing:
              kind: trunk
              adapter: {kind: mlp, hidden: 64}
              tasks: [count, shape]
              balancing: equal
              stages: three-stage
              temperature: 3
              cap: 4
            tasks:
              shape: {kind: classification}
              colors: {kind: multilabel, adapter: mlp}
              count: {kind: regression}
            """)
        let sharing = try #require(plan.sharing)
        #expect(sharing.choice.kind == "trunk")
        #expect((sharing.choice.configuration as? TrunkConfiguration)?.adapter.kind == "mlp")
        #expect(sharing.tasks == ["shape", "count"])
        #expect(sharing.staging == .threeStage)
        #expect(sharing.mixture == TaskMixture(temperature: 3, cap: 4))
        #expect(plan.sharedTasks == [0, 2])
        let encoded = try JSONEncoder().encode(plan)
        #expect(try JSONDecoder().decode(Plan.self, from: encoded) == plan)
        #expect(try read(smallest + "\nsharing: trunk").sharing == SharingPlan())
    }

    @Test(arguments: [
        ("sharing: trnk", "no sharing is called 'trnk'; did you mean 'trunk'?"),
        ("sharing: {kind: trunk, balancing: eqal}", "no balancing is called 'eqal'; did you mean 'equal'?"),
        ("sharing: {kind: trunk, tasks: [categry]}", "there is no task 'categry'; did you mean 'category'?"),
        ("sharing: {kind: trunk, adapter: probe}", "a probe has nothing to share"),
        ("sharing: {kind: trunk, stages: two-stage}", "three-stage"),
        ("sharing: {kind: trunk, temperature: 0}", "temperature"),
        ("sharing: trunk\nadapter: mlp", "category has the adapter mlp of its own"),
        ("sharing: trunk\nbackbone: {name: mobilenet_v2, train: true}", "the backbone is trained by all tasks already"),
    ])
    func `what cannot be shared is refused with the reason`(lines: String, reason: String) {
        let found = problems(of: smallest + "\n" + lines)
        #expect(found.contains { "\($0)".contains(reason) }, "\(found)")
    }

    @Test func `a full plan keeps every value and the order of its tasks`() throws {
        let plan = try read(
            """
            name: full
            backbone: efficientnet_lite0
            text_backbone: all-MiniLM-L6-v2
            data: {kind: scenes, limit: 500, seed: 3}
            tasks:
              title: {kind: retrieval, column: caption, head: {kind: mlp, hidden: 32, dropout: 0.5, projection: 64}, weight: 0.5}
              shape: {kind: classification, class_weights: balanced, label_smoothing: 0.1, head: mlp}
              colors: {kind: multilabel, column: colours, focal_gamma: 2, minimum_count: 4}
              count: {kind: regression, head: linear}
            train: {epochs: 3, batch_size: 16, learning_rate: 2e-3, weight_decay: 0, warmup: 0.1, patience: 2,
                    optimizer: sgd, seed: 9, precision: float32}
            """)
        #expect(plan.backbone.name == "efficientnet_lite0")
        #expect(plan.data == DataPlan(kind: .scenes, limit: 500, seed: 3))
        #expect(
            plan.tasks == [
                TaskPlan(
                    name: "title", kind: .retrieval, column: "caption",
                    head: HeadPlan(kind: .mlp, hidden: 32, dropout: 0.5, projection: 64), weight: 0.5),
                TaskPlan(
                    name: "shape", kind: .classification, head: HeadPlan(kind: .mlp), classWeights: .balanced,
                    labelSmoothing: 0.1),
                TaskPlan(name: "colors", kind: .multilabel, column: "colours", focalGamma: 2, minimumCount: 4),
                TaskPlan(name: "count", kind: .regression),
            ])
        #expect(
            plan.train
                == TrainPlan(
                    epochs: 3, batchSize: 16, learningRate: 2e-3, weightDecay: 0, warmup: 0.1, patience: 2,
                    optimizer: .sgd, seed: 9, precision: .float32))
        #expect(plan.needsTextEncoder)
    }

    @Test func `an unknown key is refused with its path, its line and the near miss`() {
        let found = problems(
            of: """
                name: x
                data: {kind: clipart}
                tasks:
                  tags:
                    kind: multilabel
                    haed: linear
                """)
        #expect(found.count == 1)
        #expect(found.first?.path == "tasks.tags.haed")
        #expect(found.first?.line == 6)
        #expect(found.first?.message == "unknown key; did you mean 'head'?")
    }

    @Test func `all problems are reported at once, in the order of the file`() {
        let found = problems(
            of: """
                name: [1]
                backbone: mobilnet_v2
                data: {kind: clipart, limit: -1, columns: {a: number}}
                tasks:
                  tags: {kind: multilable}
                  title: {kind: retrieval, head: {kind: transformer}, class_weights: balanced}
                train: {epochs: many, learning_rate: .nan, batch_size: "64", weight_decay: -0.1, speed: 3}
                """)
        #expect(
            found.map(\.path).sorted() == [
                "backbone", "data.columns", "data.limit", "name", "tasks.tags.kind", "tasks.title.class_weights",
                "tasks.title.head.kind", "train.batch_size", "train.epochs", "train.learning_rate", "train.speed",
                "train.weight_decay",
            ])
        #expect(found.map { $0.line ?? 0 } == found.map { $0.line ?? 0 }.sorted())
        let text = PlanError(file: "test.yaml", problems: found).description
        #expect(text.contains("mobilnet_v2: no network has this name; did you mean 'mobilenet_v2'?"))
        #expect(text.contains("'multilable' is not known; did you mean 'multilabel'?"))
        #expect(text.contains("'transformer' is not known; expected linear or mlp"))
        #expect(text.contains("train.learning_rate: expected a number from 0.0 to 1000.0, found .nan"))
        #expect(text.contains("train.batch_size: expected a whole number, found '64'"))
    }

    @Test func `two tasks of one name are refused`() {
        let found = problems(of: smallest + "\n  category: {kind: multilabel}")
        #expect(found.count == 1)
        #expect(found.first?.message.contains("'category' stands twice") == true)
        #expect(found.first?.line != nil)
    }

    @Test func `what is missing is named`() {
        #expect(problems(of: "").map(\.message) == ["the plan is empty; it needs name, data and tasks"])
        #expect(
            problems(of: "backbone: mobilenet_v2").map(\.message).sorted() == [
                "'data' is missing", "'name' is missing", "'tasks' is missing",
            ])
        #expect(problems(of: "name: x\ndata: {kind: csv}\ntasks: {a: {kind: regression}}").count == 2)
        #expect(problems(of: "name: x\ndata: {kind: clipart}\ntasks: {}").map(\.path) == ["tasks"])
        #expect(problems(of: "name: x\ndata: {kind: clipart}\ntasks: {a: {}}").map(\.message) == ["'kind' is missing"])
        #expect(problems(of: "name: x\ndata: {kind: clipart}\ntasks:\n").map(\.path) == ["tasks"])
    }

    @Test func `broken YAML is refused with its line`() {
        let found = problems(of: "name: x\ntasks: [1, 2\ndata: }")
        #expect(found.count == 1)
        #expect(found.first?.line != nil)
        #expect(found.first?.message.hasPrefix("not valid YAML") == true)
    }

    @Test func `a missing plan file and a missing data file are refused by name`() throws {
        let folder = try TemporaryFolder()
        let nowhere = folder.url.appendingPathComponent("nowhere.yaml")
        #expect(throws: PlanError.self) { try Plan(contentsOf: nowhere) }
        let plan = folder.url.appendingPathComponent("plan.yaml")
        try Data("name: x\ndata: {kind: csv, path: photos.csv, columns: {a: number}}\ntasks: {a: {kind: regression}}".utf8)
            .write(to: plan)
        do {
            _ = try Plan(contentsOf: plan)
            Issue.record("the plan was taken")
        } catch {
            #expect(error.description.contains("there is no file or folder '\(folder.url.path)/photos.csv'"))
        }
        try Data("image,a\n".utf8).write(to: folder.url.appendingPathComponent("photos.csv"))
        #expect(try Plan(contentsOf: plan).data.path?.path == folder.url.appendingPathComponent("photos.csv").path)
    }

    @Test(arguments: ["../up", "a/b", ".hidden", "tab\there"])
    func `a task name that cannot name a folder is refused`(name: String) {
        let found = problems(of: "name: x\ndata: {kind: clipart}\ntasks: {\"\(name.replacing("\t", with: "\\t"))\": {kind: regression}}")
        #expect(found.first?.message.contains("cannot name a folder") == true)
    }

    @Test func `taps are read in order of depth, and unknown ones refused`() throws {
        let tasks = "\ndata: {kind: clipart}\ntasks: {category: {kind: classification}}"
        let plan = try read("name: x\nbackbone: {name: mobilenet_v2, taps: [features.17, features.3]}" + tasks)
        #expect(plan.backbone.readTaps == ["features.3", "features.17"])
        #expect(try read("name: x\nbackbone: {taps: []}" + tasks).backbone.readTaps == [])
        #expect(try read("name: x" + tasks).backbone.readTaps == BackbonePlan().readTaps)
        let found = problems(of: "name: x\nbackbone: {taps: [features.77, features.3, features.3]}" + tasks)
        #expect(found.map(\.path) == ["backbone.taps", "backbone.taps"])
        #expect(found[0].message.hasPrefix("mobilenet_v2 has no tap 'features.77'; did you mean 'features."))
    }

    @Test func `a backbone is a name, a folder, or a file of weights whose name tells what it is`() throws {
        let rest = "\ndata: {kind: clipart}\ntasks: {category: {kind: classification}}"
        let weights = try WeightsLocation.find("mobilenet_v2.pth")
        #expect(try read("name: x\nbackbone: \(weights.path)" + rest).backbone == BackbonePlan(weights: .file(weights)))
        let found = problems(of: "name: x\nbackbone: {name: resnet51}" + rest)
        #expect(found.map(\.path) == ["backbone.name"])
        #expect(found[0].message.contains("did you mean 'resnet"))
        let text = problems(of: "name: x\nbackbone: all-MiniLM-L6-v2" + rest)
        #expect(text[0].message.contains("reads texts, but the data are pictures"))
    }

    @Test func `options that mean nothing for a kind are refused`() {
        let found = problems(
            of: """
                name: x
                data: {kind: clipart}
                tasks:
                  a: {kind: regression, label_smoothing: 0.1, focal_gamma: 1}
                  b: {kind: classification, head: {kind: linear, hidden: 3, projection: 4}}
                """)
        #expect(
            found.map(\.path) == ["tasks.a.label_smoothing", "tasks.a.focal_gamma", "tasks.b.head.hidden", "tasks.b.head.projection"])
    }

    @Test(arguments: ["clipart", "scenes", "csv"])
    func `the examples are valid plans`(name: String) throws {
        let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../Examples").standardizedFileURL
        let text = try String(contentsOf: examples.appendingPathComponent("\(name).yaml"), encoding: .utf8)
        // The template names a manifest that its reader is to bring.
        let folder = try TemporaryFolder()
        try Data().write(to: folder.url.appendingPathComponent("photos.csv"))
        let plan = try Plan(yaml: text, file: "\(name).yaml", folder: folder.url)
        #expect(plan.name == (name == "csv" ? "mine" : name))
        #expect(plan.tasks.count >= 3)
    }
}

/// A folder for one test, removed with it.
final class TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("pando-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        do { try FileManager.default.removeItem(at: url) } catch { Issue.record("\(error)") }
    }
}
