import Foundation
import PandoBackbones
import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoTraining

/// Bundles whose tasks share something that can be run at several costs.
@Suite struct ElasticBundleTests {
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

    private static let names = ["form", "colour"]

    private func plan() -> Plan {
        var options = ECMTConfiguration()
        (options.hidden, options.layers, options.decoder, options.features) = (32, 1, 16, 8)
        let backbone = BackbonePlan(Architecture(name: "mobilenet_v2", Self.network.0), weights: .random, taps: [])
        return Plan(
            name: "elastic", backbone: backbone, data: DataPlan(kind: .scenes),
            tasks: Self.names.map { TaskPlan(name: $0, kind: .classification) },
            sharing: SharingPlan(SharingChoice(options)))
    }

    /// Writes a bundle whose costs were measured on `machine`: the wider, the dearer and the better.
    private func write(to url: URL, measuredOn machine: String) throws {
        let (plan, labels) = (plan(), LabelMap(["a", "b", "c"]))
        let sharing = try #require(try plan.freshSharing(on: Self.network.1))
        let tasks = plan.tasks.enumerated().map { number, task in
            var head = TaskHead(
                untrained: task, labelCount: labels.count, featureCount: sharing.featureCount, textFeatureCount: 0)
            head.updateParameters { irregular($1.shape, phase: Float($0.count + number)) }
            return TrainedTask(
                data: TaskData(plan: task, labels: labels, texts: [], examples: [:]),
                branch: Branch(adapter: SharedView(sharing, task: number), head: head), bestEpoch: 1, epochs: 1)
        }
        let policy = try #require(sharing as? any Elastic)
        let table = try CostTable(
            policy.operatingPoints.map {
                .init(point: $0, milliseconds: 10 * $0.shared + $0.tasks[0], metrics: [$0.shared, $0.tasks[1]])
            })
        try PandoTraining.Bundle.write(
            to: url, plan: plan,
            backbone: PlanBackbone(network: Self.network.1, reading: .pictures(.clipart()), folder: nil), textFolder: nil,
            tasks: tasks, metrics: [:],
            cost: TrainingCost(
                computedImages: 0, featureSeconds: 0, headSeconds: 0, peakTensorBytes: 0, peakResidentBytes: 0),
            costs: MeasuredCosts(machine: machine, table: table))
    }

    private func bundle(measuredOn machine: String = Machine.hardware, _ body: (PandoTraining.Bundle, URL) throws -> Void) throws {
        let folder = try TemporaryDirectory()
        let url = folder.url.appendingPathComponent("bundle")
        try write(to: url, measuredOn: machine)
        try body(try PandoTraining.Bundle(at: url), folder.url.appendingPathComponent("cache"))
    }

    @Test func `a level takes the best point that it can pay for, and leaves out the rest`() throws {
        try bundle { bundle, cache in
            let costs = try bundle.costs(cachedIn: cache)
            #expect(bundle.sharedTaskNames == Self.names)
            let half = try bundle.running(at: try ComputeLevel(0.5), by: costs)
            #expect(half.choice.entry.point == OperatingPoint(shared: 0.25, tasks: [1, 1]))
            let view = try #require(half.bundle.tasks[0].branch.adapter as? SharedView)
            let whole = try #require(bundle.tasks[0].branch.adapter as? SharedView)
            #expect(view.sharing.parameterCount < whole.sharing.parameterCount)
            let features = Features(pooled: irregular([2, 48]))
            let full = try bundle.running(at: .whole, by: costs).bundle
            let open = try #require(full.tasks[1].branch.adapter as? SharedView)
            #expect(open(features).scalars() == SharedView(whole.sharing, task: 1)(features).scalars())
        }
    }

    @Test func `preferences narrow the decoders of other tasks, and say when they were scaled`() throws {
        try bundle { bundle, cache in
            let costs = try bundle.costs(cachedIn: cache)
            let running = try bundle.running(at: try ComputeLevel(0.3), preferring: ["colour": 4], by: costs)
            #expect(running.choice.entry.point == OperatingPoint(shared: 0.25, tasks: [0.25, 1]))
            #expect(running.notices.first == "preferences were scaled to add up to 1")
            let error = try #require(throws: ComputeError.self) {
                try bundle.running(at: .whole, preferring: ["color": 1], by: costs)
            }
            #expect(error.description.contains("color; the tasks are form, colour"))
        }
    }

    @Test func `on another machine times are measured anew, once`() throws {
        try bundle(measuredOn: "another machine") { bundle, cache in
            let costs = try bundle.costs(cachedIn: cache)
            #expect(costs.isOfThisMachine)
            #expect(costs.table.entries.count == 16 && costs.table.fullMilliseconds != 11)
            #expect(try bundle.costs(cachedIn: cache) == costs)
            #expect(try FileManager.default.contentsOfDirectory(atPath: cache.path).count == 1)
        }
    }
}
