import Foundation
import PandoBackbones
import PandoData
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoTraining

/// What a plan is said to need before it runs, against what it then needs.
@Suite struct MemoryForecastTests {
    private static func plan(batchSize: Int = 16) -> Plan {
        Plan(
            name: "forecast",
            backbone: BackbonePlan(Architecture(name: "resnet18", ResNetConfiguration.resNet18), weights: .random, pictureSize: 64, isTrained: true),
            data: DataPlan(kind: .scenes, limit: 96),
            tasks: [TaskPlan(name: "color", kind: .classification, minimumCount: 1)],
            train: TrainPlan(epochs: 2, batchSize: batchSize, precision: .float32, backboneRate: 1))
    }

    /// In processes of their own: the meter is the process's.
    @Test func aNetworksTrainingTakesWhatWasForetold() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryDirectory()
            let session = TrainingSession(
                Self.plan(), store: try FeatureStore(directory: folder.url.appending(path: "features")), workers: 2)
            let forecast = try #require(session.forecastMemory().phases.last)
            let outcome = try session.train(
                planText: "", into: folder.url.appending(path: "bundle"),
                registry: try RunRegistry(at: folder.url.appending(path: "runs.sqlite")),
                runs: folder.url.appending(path: "runs"), resumes: false)
            let ratio = Double(forecast.tensorBytes) / Double(outcome.cost.peakTensorBytes)
            // In so small a training single gradients count: which of them live at once depends on the threads.
            #expect(ratio > 0.75 && ratio < 1.33, "\(forecast.tensorBytes) foretold, \(outcome.cost.peakTensorBytes) taken")
            #expect(forecast.weights > 0 && forecast.optimizer > 0)
        }
    }

    @Test func whatGoesOverTheBudgetIsRefused() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryDirectory()
            var plan = Self.plan(batchSize: 64)
            let store = try FeatureStore(directory: folder.url.appending(path: "features"))
            let forecast = try TrainingSession(plan, store: store, workers: 2).forecastMemory()
            plan.budget.memory = ByteCount(forecast.residentBytes / 2)
            let session = TrainingSession(plan, store: store, workers: 2)
            let registry = try RunRegistry(at: folder.url.appending(path: "runs.sqlite"))
            let error = #expect(throws: MemoryBudgetExceeded.self) {
                try session.train(
                    planText: "", into: folder.url.appending(path: "bundle"), registry: registry,
                    runs: folder.url.appending(path: "runs"), resumes: false)
            }
            let refusal = try #require(error)
            #expect("\(refusal)".contains("budget.memory allows"))
            #expect(refusal.remedies.allSatisfy { $0.bytes <= refusal.budget })
            #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "bundle").path))
        }
    }

    @Test(arguments: [
        ("800MB", 800_000_000), ("1 GiB", 1 << 30), ("1.5GiB", 3 << 29), ("512", 512), ("2kb", 2000), ("3 KiB", 3072),
    ])
    func amountsAreRead(text: String, bytes: Int) { #expect(ByteCount(parsing: text)?.bytes == bytes) }

    @Test(arguments: ["", "GB", "-1GB", "0", "1 potato", "1e99GB", "nan", "0x10"])
    func whatIsNoAmountIsRefused(text: String) { #expect(ByteCount(parsing: text) == nil) }
}
