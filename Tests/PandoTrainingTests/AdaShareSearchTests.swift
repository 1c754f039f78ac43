import PandoBackbones
import PandoBranches
import PandoData
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoTraining

/// The search for who runs which block, on tasks small enough to see through.
@Suite struct AdaShareSearchTests {
    /// Two tasks of which the second is the first's opposite half of the time; three blocks.
    private func joint(sparsity: Float = 0) throws -> JointTasks {
        var generator = SeededGenerator(seed: 1)
        let counts: [(Split, Int)] = [(.train, 120), (.validation, 40), (.test, 40)]
        let splits = counts.flatMap { Array(repeating: $0, count: $1) }
        let x = Tensor.normal([splits.count, 4], using: &generator)
        let first = x.element(0, along: 1).scalars().map { $0 > 0 }
        let second = zip(first, x.element(1, along: 1).scalars()).map { $0 != ($1 > 0) }
        func label(_ value: Bool) -> Label { .category(value ? "yes" : "no") }
        let dataset = Dataset(
            name: "signs",
            examples: splits.indices.map {
                Example(
                    id: "\($0)", split: splits[$0], image: nil,
                    labels: ["one": label(first[$0]), "two": label(second[$0])])
            })
        let data = try TaskData.prepare(
            Plan(
                name: "signs", data: DataPlan(kind: .scenes),
                tasks: ["one", "two"].map { TaskPlan(name: $0, kind: .classification) }),
            on: dataset)
        let trunk = ResidualTrunk(vectorLength: 4, width: 12, hidden: 12, blocks: 3, using: &generator)
        let sharing = AdaShare(
            searching: trunk, taskCount: 2, losses: AdaShareLosses(sparsity: sparsity), temperature: 5)
        return JointTasks(data, sharing: sharing, features: Vectors(x: x))
    }

    private struct Vectors: FeatureReader {
        let x: Tensor
        var rowCount: Int { x.shape[0] }
        var featureCount: Int { x.shape[1] }
        func features(_ indices: [Int], workers: Int) -> Features {
            Features(pooled: x.gathered(at: Tensor(indices.map(Int64.init))))
        }
    }

    private func search(_ joint: JointTasks, _ change: (inout AdaShareSearch.Settings) -> Void = { _ in }) -> AdaShareSearch {
        var settings = AdaShareSearch.Settings()
        (settings.warmUpEpochs, settings.rounds, settings.candidates) = (1, 4, 3)
        change(&settings)
        return AdaShareSearch(
            TrainPlan(epochs: 8, batchSize: 24, learningRate: 0.01, precision: .float32), joint, settings: settings, workers: 1)
    }

    @Test func `weights and choices learn from examples of their own`() throws {
        let parts = JointParts(try joint(), share: 0.25, using: SeededGenerator(seed: 1))
        for task in 0..<2 {
            #expect(parts.choices[task].count == 30 && parts.weights[task].count == 90)
            #expect(Set(parts.choices[task]).isDisjoint(with: parts.weights[task]))
            #expect((parts.choices[task] + parts.weights[task]).sorted() == Array(0..<120))
        }
    }

    @Test func `a search moves choices, names tasks, and gives the same again`() throws {
        let joint = try joint()
        let found = try search(joint).run()
        #expect(found.likelihoods.flatMap(\.self).allSatisfy { (0...1).contains($0) && $0 != 0.5 })
        #expect(found.gains.count == 4 && found.gains[0] == 0)
        #expect(found.policy.tasks.map(\.name) == ["one", "two"])
        #expect(found.candidates.first == found.policy && Set(found.candidates).count == found.candidates.count)
        #expect(found.candidates.count <= 3)
        let again = try search(joint).run()
        #expect(again.likelihoods == found.likelihoods && again.candidates == found.candidates)
    }

    @Test func `without a rate choices stay where they are`() throws {
        let found = try search(try joint()) { $0.choiceRate = 0 }.run()
        #expect(found.likelihoods.flatMap(\.self).allSatisfy { $0 == 0.5 })
    }

    @Test func `pressure to skip leaves fewer runs`() throws {
        let found = try search(try joint(sparsity: 50)) { ($0.choiceRate, $0.rounds) = (0.2, 6) }.run()
        #expect(found.policy.runCount == 0)
    }

    @Test func `networks of fresh weights learn along a policy, and the best on validation is kept`() throws {
        let search = search(try joint())
        let all = BlockPolicy(all: 3, of: ["one", "two"])
        let trainer = try search.retrain(all)
        #expect(trainer.isDone)
        #expect((trainer.branches.sharing as? AdaShare<ResidualTrunk>)?.given == all)
        #expect(trainer.metrics(in: .test)[0]!.primary.value > 0.7)
        let found = try search.run()
        let (policy, best) = try search.retrainBest(of: found)
        #expect(found.candidates.contains(policy) && best.isDone)
    }

    @Test func `a policy of other tasks or blocks is refused`() throws {
        let search = search(try joint())
        for policy in [BlockPolicy(all: 4, of: ["one", "two"]), BlockPolicy(all: 3, of: ["two", "one"])] {
            #expect(throws: AdapterError.self) { try search.retrain(policy) }
        }
    }
}
