import Foundation
import Logging
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTestSupport

@testable import PandoServing
@testable import PandoTraining

/// Bundles over pictures that are quick to write and to run: a small network with made-up weights.
enum SmallBundle {
    static let side = 64
    static let labels = LabelMap((0..<7).map { "label \($0)" })

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

    private static func plan(_ tasks: [TaskPlan], sharing: SharingPlan? = nil) -> Plan {
        let backbone = BackbonePlan(Architecture(name: "mobilenet_v2", network.0), weights: .random, taps: [])
        return Plan(name: "small", backbone: backbone, data: DataPlan(kind: .scenes), tasks: tasks, sharing: sharing)
    }

    /// A head with weights of its own.
    private static func head(_ task: TaskPlan, features: Int, phase: Float) -> TaskHead {
        let count = task.kind == .regression ? 0 : labels.count
        var head = TaskHead(untrained: task, labelCount: count, featureCount: features, textFeatureCount: 0)
        head.updateParameters { irregular($1.shape, phase: Float($0.count) + phase) }
        return head
    }

    /// A bundle with the tasks `kind` (classes), `marks` (labels) and `size` (a number), which read the frozen vector.
    ///
    /// - Parameter phase: another one makes other weights.
    static func write(to url: URL, phase: Float = 1) throws {
        let plan = plan([
            TaskPlan(name: "kind", kind: .classification), TaskPlan(name: "marks", kind: .multilabel),
            TaskPlan(name: "size", kind: .regression),
        ])
        let width = network.1.pooledFeatures
        try write(
            plan, to: url, branches: plan.tasks.enumerated().map { number, task in
                Branch(adapter: Probe(featureCount: width), head: head(task, features: width, phase: phase + Float(number)))
            })
    }

    /// A bundle whose tasks `form` and `colour` share what runs at several costs.
    static func writeElastic(to url: URL) throws {
        var options = ECMTConfiguration()
        (options.hidden, options.layers, options.decoder, options.features) = (32, 1, 16, 8)
        let plan = plan(
            ["form", "colour"].map { TaskPlan(name: $0, kind: .classification) },
            sharing: SharingPlan(SharingChoice(options)))
        guard let sharing = try plan.freshSharing(on: network.1), let policy = sharing as? any Elastic else { return }
        let table = try CostTable(
            policy.operatingPoints.map {
                .init(point: $0, milliseconds: 10 * $0.shared + $0.tasks[0], metrics: [$0.shared, $0.tasks[1]])
            })
        try write(
            plan, to: url, branches: plan.tasks.enumerated().map { number, task in
                Branch(
                    adapter: SharedView(sharing, task: number),
                    head: head(task, features: sharing.featureCount, phase: Float(number)))
            }, costs: MeasuredCosts(machine: Machine.hardware, table: table))
    }

    private static func write(_ plan: Plan, to url: URL, branches: [Branch], costs: MeasuredCosts? = nil) throws {
        let tasks = zip(plan.tasks, branches).map { task, branch in
            TrainedTask(
                data: TaskData(
                    plan: task, labels: task.kind == .regression ? LabelMap([]) : labels, texts: [], examples: [:]),
                branch: branch, bestEpoch: 1, epochs: 1)
        }
        let metrics = TaskMetrics.classification(
            ClassificationMetrics(outputs: ScoreTable([2, 1, 0, 3], columnCount: 2), targets: [0, 0]))
        try PandoTraining.Bundle.write(
            to: url, plan: plan,
            backbone: PlanBackbone(network: network.1, reading: .pictures(.clipart(side: side)), folder: nil),
            textFolder: nil, tasks: tasks,
            metrics: Dictionary(uniqueKeysWithValues: plan.tasks.map { ($0.name, [.test: metrics]) }),
            cost: TrainingCost(computedImages: 0, featureSeconds: 0, headSeconds: 0, peakTensorBytes: 0, peakResidentBytes: 0),
            costs: costs)
    }

    /// A picture of its own for each number.
    static func picture(_ number: Int) throws -> Data {
        let (width, height) = (40 + number % 9, 30 + number % 7)
        let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: ($0 &* ($0 / 7 + number * 31) + number) % 251) }
        return try Image(width: width, height: height, pixels: pixels).encodedPNG()
    }
}

/// A runtime over a small bundle in a folder of its own.
struct ServedFixture {
    let folder: TemporaryDirectory
    let runtime: ServingRuntime

    var bundle: URL { folder.url.appendingPathComponent("small") }

    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// - Parameter change: of the configuration, before the bundle is loaded.
    init(elastic: Bool = false, _ change: (inout ServingRuntime.Configuration) -> Void = { _ in }) async throws {
        folder = try TemporaryDirectory()
        let url = folder.url.appendingPathComponent("small")
        if elastic { try SmallBundle.writeElastic(to: url) } else { try SmallBundle.write(to: url) }
        var configuration = ServingRuntime.Configuration(
            bundle: url, costCache: folder.url.appendingPathComponent("costs"))
        configuration.reuseWindow = .zero
        change(&configuration)
        runtime = ServingRuntime(configuration, logger: Self.logger)
        try await runtime.load()
    }
}
