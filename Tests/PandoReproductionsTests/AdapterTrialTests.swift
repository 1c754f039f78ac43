import PandoBranches
import PandoData
import PandoReproductions
import PandoTensor
import PandoTestSupport
import PandoTraining
import Testing

@Suite struct AdapterTrialTests {
    /// A random network on small scenes.
    private static let plan = Plan(
        name: "trial", backbone: BackbonePlan(weights: .random, taps: [], pictureSize: 64),
        data: DataPlan(kind: .scenes, limit: 90),
        tasks: [
            TaskPlan(name: "color", kind: .classification, minimumCount: 2), TaskPlan(name: "count", kind: .regression),
        ],
        train: TrainPlan(epochs: 2, batchSize: 16, precision: .float32))

    private static let contestants = [
        AdapterTrial.Contestant("probe", ProbeConfiguration(), learningRate: 1e-3),
        AdapterTrial.Contestant("unipt", UniPTConfiguration(), learningRate: 1e-3),
        AdapterTrial.Contestant("last block", LastBlocksConfiguration(), isRehearsed: true),
    ]

    @Test func `contestants are measured by seed, and a seed gives the same numbers again`() throws {
        let directory = try TemporaryDirectory()
        let conditions = Conditions(seeds: 2, store: try FeatureStore(directory: directory.file("features")))
        let trial = try AdapterTrial(Self.plan, Self.contestants, conditions)
        let first = try trial.run()
        #expect(first.map(\.name) == ["probe", "unipt", "last block"])
        for outcome in first {
            #expect(outcome.memory.mean > 4 * outcome.parameters.mean)  // float32 weights alone
            #expect(outcome.memory.values.count == 2)
        }
        for outcome in first.prefix(2) {
            #expect(outcome.test["color"]?.values.count == 2)
            #expect(outcome.validation["color"]?.values.allSatisfy { (0...1).contains($0) } == true)
            #expect(outcome.seconds?.values.allSatisfy { $0 > 0 } == true)
        }
        // Rehearsed: no score, but what it costs.
        #expect(first[2].test.isEmpty && first[2].seconds == nil)
        // 1,280 pooled features, and a bias, for each of eight colours.
        #expect(first[0].parameters.values == [1281 * 8, 1281 * 8])
        #expect(first[1].activations.mean > 0)

        let again = try AdapterTrial(Self.plan, Self.contestants, conditions).run()
        #expect(again.map(\.test) == first.map(\.test))
        #expect(again.map(\.validation) == first.map(\.validation))
        #expect(again.map(\.parameters) == first.map(\.parameters))
    }

    @Test func `an adapter that the backbone cannot carry is refused by task`() throws {
        let directory = try TemporaryDirectory()
        var unknown = UniPTConfiguration()
        unknown.taps = ["nowhere", "elsewhere"]
        #expect(throws: AdapterError.self) {
            _ = try AdapterTrial(
                Self.plan, [AdapterTrial.Contestant("unipt", unknown, learningRate: 1e-3)],
                Conditions(seeds: 1, store: try FeatureStore(directory: directory.file("features"))))
        }
    }
}
