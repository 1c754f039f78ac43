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

/// Backbones trained together with their heads, on generated pictures of 32 pixels.
@Suite struct NetworkTrainingTests {
    private static func plan(_ name: String = "resnet18", epochs: Int = 2) throws -> Plan {
        Plan(
            name: "whole",
            backbone: BackbonePlan(try Catalog.architecture(named: name), weights: .random, pictureSize: 32, isTrained: true),
            data: DataPlan(kind: .scenes, limit: 64),
            tasks: [
                TaskPlan(name: "color", kind: .classification, minimumCount: 1),
                TaskPlan(name: "count", kind: .regression),
            ],
            train: TrainPlan(epochs: epochs, batchSize: 16, precision: .float32, backboneRate: 1))
    }

    private struct Setting {
        let folder: TemporaryDirectory
        let registry: RunRegistry

        init() throws {
            folder = try TemporaryDirectory()
            registry = try RunRegistry(at: folder.url.appending(path: "runs.sqlite"))
        }

        func train(
            _ plan: Plan, resumes: Bool = false, cancellation: CancellationFlag? = nil,
            _ report: @escaping @Sendable (TrainingSession.Event) -> Void = { _ in }
        ) throws -> TrainingSession.Outcome {
            let session = TrainingSession(
                plan, store: try FeatureStore(directory: folder.url.appending(path: "features")), workers: 2)
            return try session.train(
                planText: "", into: folder.url.appending(path: "bundle"), registry: registry,
                runs: folder.url.appending(path: "runs"), resumes: resumes, cancellation: cancellation, report)
        }

        /// The training losses of a run, in order.
        func losses(_ outcome: TrainingSession.Outcome) throws -> [Double] {
            try registry.metrics(of: outcome.run.id).filter { $0.name == "loss" }.map(\.value)
        }

        var weights: Data {
            get throws { try Data(contentsOf: folder.url.appending(path: "bundle/backbone/model.safetensors")) }
        }
    }

    @Test(arguments: ["resnet18", "vit_tiny_patch16_224"])
    func theSameSeedGivesTheSameCurve(name: String) throws {
        let (one, other) = (try Setting(), try Setting())
        let curves = try [one, other].map { try $0.losses($0.train(try Self.plan(name))) }
        #expect(curves[0].count == 4)
        #expect(curves[0] == curves[1])
        #expect(try one.weights == other.weights)
    }

    @Test func trainingGoesOnWhereItStopped() throws {
        let plan = try Self.plan(epochs: 3)
        let (unbroken, broken) = (try Setting(), try Setting())
        let whole = try unbroken.train(plan)
        let flag = CancellationFlag()
        #expect(throws: TrainingSession.Interrupted.self) {
            try broken.train(plan, cancellation: flag) { event in
                if case .epoch(let report) = event, report.epoch == 2 { flag.cancel() }
            }
        }
        let resumed = try broken.train(plan, resumes: true)
        #expect(try unbroken.weights == broken.weights)
        #expect(whole.metrics["color"]?[.test]?.primary == resumed.metrics["color"]?[.test]?.primary)
    }

    @Test func whatStoppedBeforeAFinishedTrainingIsOver() throws {
        let plan = try Self.plan(epochs: 2)
        let setting = try Setting()
        let flag = CancellationFlag()
        #expect(throws: TrainingSession.Interrupted.self) {
            try setting.train(plan, cancellation: flag) { event in
                if case .epoch = event { flag.cancel() }
            }
        }
        _ = try setting.train(plan)
        let refusal = #expect(throws: TrainingError.self) { try setting.train(plan, resumes: true) }
        #expect(refusal?.description.hasPrefix("there is no unfinished run of plan") == true)
    }

    @Test func aNetworkLearnsItsPictures() throws {
        var plan = try Self.plan(epochs: 12)
        plan.train.augments = false
        let setting = try Setting()
        let losses = try setting.losses(setting.train(plan))
        let tasks = plan.tasks.count
        let (first, last) = (losses.prefix(tasks).reduce(0, +), losses.suffix(tasks).reduce(0, +))
        #expect(last < 0.8 * first, "from \(first) to \(last)")
    }

    @Test func theBundleAnswersAsTheTrainingMeasured() throws {
        let setting = try Setting()
        let outcome = try setting.train(try Self.plan())
        let bundle = try Bundle(at: setting.folder.url.appending(path: "bundle"))
        #expect(bundle.plan.preprocessing.outputSize == PixelSize(32))
        let session = TrainingSession(
            bundle.plan, store: try FeatureStore(directory: setting.folder.url.appending(path: "features")), workers: 1)
        let metrics = try bundle.evaluate(on: .test, session: session)
        let (found, expected) = (metrics["color"]!.primary.value, outcome.metrics["color"]![.test]!.primary.value)
        #expect(abs(found - expected) < 1e-9)
    }

    @Test func missingLabelsCountForTheirTaskAlone() throws {
        let examples = (0..<24).map { row in
            Example(
                id: "\(row)", split: [.train, .train, .validation, .test][row % 4],
                image: nil,
                labels: row % 3 == 0
                    ? ["kind": .category(row % 2 == 0 ? "a" : "b")] : ["kind": .category("a"), "size": .number(Double(row))])
        }
        let plan = Plan(
            name: "partial", backbone: BackbonePlan(try Catalog.architecture(named: "resnet18"), weights: .random, pictureSize: 32, isTrained: true),
            data: DataPlan(kind: .scenes),
            tasks: [
                TaskPlan(name: "kind", kind: .classification, minimumCount: 1), TaskPlan(name: "size", kind: .regression),
            ], train: TrainPlan(epochs: 1, batchSize: 4, precision: .float32))
        let tasks = try TaskData.prepare(plan, on: Dataset(name: "partial", examples: examples))
        #expect(tasks[1].examples(in: .train).count < tasks[0].examples(in: .train).count)
        var generator = SeededGenerator(seed: 0)
        let heads = tasks.map {
            TaskHead(
                randomFor: $0, standardization: Standardization(identity: 960), texts: nil, using: &generator)
        }
        var trainer = NetworkTrainer(
            plan, backbone: ResNet(.resNet18), heads: heads, tasks: tasks,
            pictures: DecodedPictures(blank: 24, preprocessing: plan.preprocessing), texts: [:], workers: 2)
        let reports = try trainer.trainEpoch(cancellation: nil) { _, _ in }
        #expect(reports?.map(\.task) == ["kind", "size"])
        #expect(reports?.allSatisfy { $0.loss?.isFinite == true } == true)
    }
}
