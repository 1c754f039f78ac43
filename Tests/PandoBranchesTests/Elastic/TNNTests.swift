import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

@Suite struct TNNTests {
    private func policy(on subject: AdapterSubject, _ change: (inout TNNConfiguration) -> Void = { _ in }) throws -> TNN {
        var (configuration, generator) = (TNNConfiguration(), SeededGenerator(seed: 1))
        configuration.blocks = 2
        configuration.components = 8
        change(&configuration)
        let sharing = try configuration.makeSharing(
            on: subject.backbone, vectorLength: subject.backbone.pooledFeatures, taskCount: 2, using: &generator)
        return try #require(sharing as? TNN)
    }

    @Test(arguments: AdapterSubject.all) func `the whole of a fresh policy is the network`(subject: AdapterSubject) throws {
        let policy = try policy(on: subject)
        let vectors = policy(subject.features(policy.request), for: [1, 0])
        let expected = subject.backbone.features(of: subject.input).pooled
        expectClose(vectors[0], expected, relative: 1e-5)
        #expect(vectors[0].scalars() == vectors[1].scalars())
        #expect(policy.operatingPoints.last == OperatingPoint(shared: 1) && policy.operatingPoints.count == 8)
        let last = policy.running(at: OperatingPoint(shared: 1))
        #expect(last(subject.features(policy.request), for: [0])[0].scalars() == vectors[0].scalars())
    }

    @Test(arguments: AdapterSubject.all)
    func `a compiled point gives what the point gives, and computes less`(subject: AdapterSubject) throws {
        let policy = try policy(on: subject)
        let features = subject.features(policy.request)
        var weights: [Int] = []
        for share in [0.25, 1.0] {
            let running = policy.running(at: OperatingPoint(shared: share))
            expectClose(FrozenSharing(running)(features)[0], running(features, for: [0])[0], relative: 1e-5)
            let trunk = try #require((running as? SharedTrunk)?.adapter as? any NetworkAdapter)
            weights.append(trunk.adaptedBackbone.parameterCount)
        }
        #expect(weights[0] < weights[1])
    }

    @Test(arguments: AdapterSubject.all)
    func `texts and pictures run from the input when all blocks can be closed`(subject: AdapterSubject) throws {
        let policy = try policy(on: subject) { $0.blocks = 0 }
        #expect(policy.request == .input && policy.gradientEntry == 0)
        let features = subject.features(policy.request)
        let running = policy.running(at: OperatingPoint(shared: 0.5))
        expectClose(FrozenSharing(running)(features)[0], running(features, for: [0])[0], relative: 1e-5)
    }

    @Test func `a step trains what the drawn utilisation opens and nothing else`() throws {
        let subject = AdapterSubject.bert
        let policy = try policy(on: subject) { $0.ordered = false }
        let features = subject.features(policy.request)
        var seen: Set<Int> = []
        for seed in 0..<6 {
            let pass = TrainingPass(using: SeededGenerator(seed: UInt64(seed)))
            var drawing = pass.generator
            let open = Gating.openCount(of: 8, at: Double.random(in: 0...1, using: &drawing))
            let (_, gradients) = valueAndGradients(of: policy) { policy in
                policy.losses(of: features, for: [TaskRows(0), TaskRows(1, rows: [0, 2])], during: pass) { _, vectors in
                    (vectors * irregular(vectors.shape, phase: 4)).sum()
                }.reduce(Tensor(Float(0))) { $0 + $1 }
            }
            let names = policy.namedTensors.map(\.name)
            let place = try #require(names.firstIndex { $0.hasSuffix("encoder.layer.3.intermediate.dense.weight") })
            let rows = gradients.tensors[place].squared().sum(along: [1]).scalars()
            #expect(rows.indices.allSatisfy { (rows[$0] > 0) == ($0 < open * 6) })
            seen.insert(open)
        }
        #expect(seen.count > 2)
    }

    @Test func `every tensor is visited under its network's name`() throws {
        let policy = try policy(on: .bert)
        #expect(policy.namedTensors.contains { $0.name == "network.parameters.encoder.layer.3.output.dense.weight" })
        #expect(!policy.namedTensors.contains { $0.name.contains("encoder.layer.1.") })
    }

    @Test func `networks without such blocks, and too many blocks, are refused`() throws {
        var (configuration, generator) = (TNNConfiguration(), SeededGenerator(seed: 1))
        let other = ConvNeXt(ConvNeXtConfiguration(widths: [8, 8, 16, 16], depths: [1, 1, 1, 1]))
        let error = try #require(throws: AdapterError.self) {
            try configuration.makeSharing(on: other, vectorLength: 16, taskCount: 1, using: &generator)
        }
        #expect(error.description.contains("ConvNeXt has no blocks that can be closed"))
        configuration.blocks = 9
        let tooMany = try #require(throws: AdapterError.self) {
            try configuration.makeSharing(on: AdapterSubject.bert.backbone, vectorLength: 32, taskCount: 1, using: &generator)
        }
        #expect(tooMany.description.contains("blocks is 9, and the network has 5"))
    }
}

@Suite struct ThrottleControllerTests {
    private typealias Outcome = ThrottleController.Outcome

    @Test func `rewards are those of the formulas`() {
        // By hand: right e^(1-f)(2-f)²/4e of f (.25, 1) is 6.4833126/10.8731273, 1/10.8731273; wrong (p+.5)(f+1.5)/3.75 with
        // p (.9, .5) is 2.45/3.75, 2.5/3.75.
        func reward(_ isCorrect: Bool, _ confidence: Double, _ share: Double) -> Double {
            ThrottleController.reward(Outcome(isCorrect: isCorrect, confidence: confidence, share: share))
        }
        #expect(abs(reward(true, 0.9, 0.25) - 0.5962693) < 1e-6 && abs(reward(true, 0.5, 1) - 0.0919699) < 1e-6)
        #expect(abs(reward(false, 0.9, 0.25) + 0.6533333) < 1e-6 && abs(reward(false, 0.5, 1) + 0.6666667) < 1e-6)
        #expect(abs(ThrottleController.explorationRate(inEpisode: 2) - 0.34993774911115) < 1e-9)
    }

    @Test func `it learns to spend only where it helps`() {
        // The first feature tells whether the cheap level is right; the dear one always is.
        var generator = SeededGenerator(seed: 3)
        let hard = (0..<400).map { _ in Bool.random(using: &generator) }
        let situations = Tensor(
            hard.flatMap { [Float($0 ? 1 : -1), Float.random(in: -1...1, using: &generator)] }, shape: [400, 2])
        let outcomes = hard.map { isHard in
            [Outcome(isCorrect: !isHard, confidence: 0.9, share: 0.25), Outcome(isCorrect: true, confidence: 0.9, share: 1)]
        }
        var controller = ThrottleController(situationFeatures: 2, levels: 2, hidden: 8, using: &generator)
        expectVisitsEveryTensor(controller)
        controller.train(on: situations, outcomes: outcomes, episodes: 30, batchSize: 16, learningRate: 1e-2, using: &generator)
        let levels = controller.levels(for: situations)
        let right = zip(levels, hard).count { ($0 == 1) == $1 }
        #expect(right > 380)
    }
}
