import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

@Suite struct ECMTTests {
    private func policy(
        on subject: AdapterSubject = .bert, _ change: (inout ECMTConfiguration) -> Void = { _ in }
    ) throws -> ECMT {
        var (configuration, generator) = (ECMTConfiguration(), SeededGenerator(seed: 2))
        (configuration.hidden, configuration.decoder, configuration.features) = (24, 12, 6)
        change(&configuration)
        let sharing = try configuration.makeSharing(
            on: subject.backbone, vectorLength: subject.backbone.pooledFeatures, taskCount: 3, using: &generator)
        return try #require(sharing as? ECMT)
    }

    @Test(arguments: [ECMTConfiguration.Encoder.vector, .network])
    func `a slimmed policy is a small one of its own, compiled or not`(encoder: ECMTConfiguration.Encoder) throws {
        let policy = try policy { configuration in
            configuration.encoder = encoder
            configuration.blocks = 2
        }
        let features = AdapterSubject.bert.features(policy.request)
        let slim = policy.running(at: OperatingPoint(shared: 0.25, tasks: [0.25, 1, 0.5]))
        let vectors = slim(features, for: [0, 1, 2])
        #expect(vectors.map(\.shape) == [[3, 6], [3, 6], [3, 6]])
        let compiled = FrozenSharing(slim)
        let fast = compiled(features)
        let open = policy.running(at: OperatingPoint(shared: 1, tasks: [1, 1, 1]))
        let (whole, expected) = (open(features, for: [0, 1, 2]), policy(features, for: [0, 1, 2]))
        for task in 0..<3 {
            expectClose(fast[task], vectors[task], relative: 1e-5)
            #expect(whole[task].scalars() == expected[task].scalars())
        }
    }

    @Test func `a slim pair is the pair with its other units taken away`() {
        var generator = SeededGenerator(seed: 4)
        let pair = SlimmablePair(5, hidden: 8, 3, using: &generator)
        expectVisitsEveryTensor(pair)
        var masked = pair
        masked.adding.weight = pair.adding.weight * Tensor([1, 1, 1, 0, 0, 0, 0, 0] as [Float], shape: [1, 8])
        let slim = pair.slimmed(to: 0.3)
        #expect(slim.hidden == 3 && slim.parameterCount == 10 + 3 * 5 + 3 + 3 * 3 + 3)
        expectClose(slim(irregular([4, 5])), masked(irregular([4, 5])))
    }

    @Test func `decoders follow preferences, the preferred one first`() throws {
        let policy = try policy()
        let points = policy.operatingPoints(preferring: try TaskPreferences([0.6, 0.3, 0.1]))
        #expect(Set(points.map(\.shared)) == [0.25, 0.5, 0.75, 1])
        #expect(
            Set(points.map(\.tasks)) == [[1, 0.5, 0.25], [0.75, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.25, 0.25]])
        let swapped = policy.operatingPoints(preferring: try TaskPreferences([0.3, 0.6, 0.1]))
        #expect(swapped.map(\.tasks) == points.map { [$0.tasks[1], $0.tasks[0], $0.tasks[2]] })
        #expect(policy.operatingPoints.count == 16)
        #expect(policy.operatingPoints.last == OperatingPoint(shared: 1, tasks: [1, 1, 1]))
    }

    @Test func `widths rise with preferences, whatever they are`() throws {
        let policy = try policy()
        var generator = SeededGenerator(seed: 9)
        for _ in 0..<50 {
            let weights = (0..<3).map { _ in Double.random(in: 0...1, using: &generator) }
            for point in policy.operatingPoints(preferring: try TaskPreferences(weights)) {
                for first in 0..<3 {
                    for second in 0..<3 where weights[first] >= weights[second] {
                        #expect(point.tasks[first] >= point.tasks[second])
                    }
                }
            }
        }
    }

    @Test func `without distillation and other widths the loss is the whole's`() throws {
        let alone = try policy { ($0.drawn, $0.sandwich) = (0, false) }
        let features = AdapterSubject.bert.features(alone.request)
        let pass = TrainingPass(using: SeededGenerator(seed: 0))
        let losses = alone.losses(of: features, for: [TaskRows(2)], during: pass) { _, vectors in vectors.sum() }
        expectClose(losses[0], alone(features, for: [2])[0].sum())
        #expect(alone.drawnPoints(using: &pass.generator).isEmpty)
        let slimmest = OperatingPoint(shared: 0.25, tasks: [0.25, 0.25, 0.25])
        #expect(try policy().drawnPoints(using: &pass.generator).first == slimmest)
        #expect(try policy().drawnPoints(using: &pass.generator).count == 3)
    }

    @Test func `distillation is the distance of encodings of length 1 and moves slim weights only through slim passes`() throws {
        let policy = try policy { ($0.drawn, $0.distillation) = (0, 2) }
        let features = AdapterSubject.bert.features(policy.request)
        let pass = TrainingPass(using: SeededGenerator(seed: 0))
        let losses = policy.losses(of: features, for: [TaskRows(0), TaskRows(1)], during: pass) { _, _ in Tensor(Float(0)) }
        func rows(_ x: Tensor) -> [[Float]] {
            let values = x.scalars()
            return (0..<x.shape[0]).map { row in
                let part = values[row * x.shape[1]..<(row + 1) * x.shape[1]]
                let length = part.reduce(0) { $0 + $1 * $1 }.squareRoot()
                return part.map { $0 / length }
            }
        }
        let whole = rows(policy.whole.encoder(features)), slim = rows(policy.whole.encoder.slimmed(to: 0.25)(features))
        let differences: [Float] = zip(whole.joined(), slim.joined()).map { $0 - $1 }
        let distance: Float = differences.map { $0 * $0 }.reduce(0, +) / 3
        // Twice the distance, half of it with each of two tasks.
        for loss in losses { #expect(abs(loss.scalar() - distance) < 1e-5 * distance) }
        #expect(distance > 1e-4)
    }

    @Test func `gradients match central differences`() throws {
        let policy = try policy { ($0.hidden, $0.layers, $0.decoder, $0.features, $0.drawn) = (6, 1, 4, 2, 1) }
        let features = AdapterSubject.bert.features(policy.request)
        let names = policy.namedTensors.map(\.name)
        let place = try #require(names.firstIndex(of: "encoder.layers.0.making.weight"))
        func value(_ weight: Tensor) -> Tensor {
            var (changed, count) = (policy, 0)
            changed.updateParameters { _, tensor in
                defer { count += 1 }
                return count == place ? weight : tensor
            }
            // The target of the distillation stands still, so it is left out of the difference.
            var training = ECMT(changed.whole, widths: changed.widths, training: .init(drawn: 1, distillation: 0))
            training.whole = changed.whole
            let pass = TrainingPass(using: SeededGenerator(seed: 0))
            return training.losses(of: features, for: [TaskRows(0), TaskRows(2, rows: [1])], during: pass) { _, vectors in
                (vectors * irregular(vectors.shape, phase: 5)).sum()
            }.reduce(Tensor(Float(0))) { $0 + $1 }
        }
        expectGradients(of: [policy.namedTensors[place].tensor], step: 1e-3, relative: 1e-2) { value($0[0]) }
    }
}

@Suite struct ElasticCostTests {
    @Test func `a table has the whole and every point, with the metrics of each`() throws {
        var (configuration, generator) = (ECMTConfiguration(), SeededGenerator(seed: 2))
        (configuration.hidden, configuration.decoder, configuration.features) = (24, 12, 6)
        let sharing = try configuration.makeSharing(
            on: AdapterSubject.bert.backbone, vectorLength: 32, taskCount: 2, using: &generator)
        let policy = try #require(sharing as? any Elastic)
        let features = AdapterSubject.bert.features(policy.request)
        var asked = 0
        let table = try policy.costTable(on: features, rounds: 1) { sharing in
            asked += 1
            return [Double(sharing.parameterCount), 1]
        }
        #expect(table.entries.count == 16 && asked == 16)
        let whole = try #require(table.entries.first { $0.point == OperatingPoint(shared: 1, tasks: [1, 1]) })
        #expect(table.share(of: whole) == 1)
        #expect(whole.metrics[0] == Double(policy.parameterCount))
    }
}
