import PandoBranches
import PandoData
import PandoNN
import PandoTensor
import Testing

@testable import PandoTraining

@Suite struct AffinityMeasurementTests {
    /// Two tasks that ask the same, and one whose answers are drawn.
    static func trainer(seed: UInt64 = 1) -> JointTrainer {
        let world = PlantedTasks(seed: seed)
        let learner = LabelLearner(plan: PlantedTasks.plan, steps: 0, workers: 1, cancellation: nil)
        return learner.start(world.joint(), PlantedTasks.plan)
    }

    @Test func `a task helps its twin more than noise does`() throws {
        var settings = TaskAffinity.Settings()
        (settings.interval, settings.measurements) = (30, 3)
        let affinity = try TaskAffinity(of: Self.trainer(), settings: settings)
        let (asked, twin, noise) = (0, 1, 2)
        #expect(affinity.gains[twin][asked] > 0, "\(affinity.table)")
        #expect(affinity.gains[twin][asked] > affinity.gains[noise][asked], "\(affinity.table)")
        #expect(affinity.cosines[asked][twin] > affinity.cosines[asked][noise], "\(affinity.cosineTable)")
        #expect(affinity.transfer[twin][asked] > affinity.transfer[noise][asked])
    }

    @Test func `the trainer stays as it was bit for bit`() throws {
        let measured = Self.trainer()
        var settings = TaskAffinity.Settings()
        (settings.interval, settings.measurements) = (2, 1)
        _ = try TaskAffinity(of: measured, settings: settings)
        var (one, other) = (measured, Self.trainer())
        for _ in 0..<3 { #expect(try one.takeStep(learningRate: 0.01) == other.takeStep(learningRate: 0.01)) }
        for (left, right) in zip(one.branches.namedTensors, other.branches.namedTensors) {
            #expect(left.tensor.scalars() == right.tensor.scalars(), "\(left.name)")
        }
    }

    @Test func `the same run is measured the same`() throws {
        var settings = TaskAffinity.Settings()
        (settings.interval, settings.measurements) = (2, 2)
        #expect(
            try TaskAffinity(of: Self.trainer(), settings: settings) == TaskAffinity(of: Self.trainer(), settings: settings))
    }
}
