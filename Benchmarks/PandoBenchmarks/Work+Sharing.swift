import Foundation
import PandoBackbones
import PandoBranches
import PandoNN
import PandoTensor

extension Work {
    /// What ten tasks' answers take on one backbone with a shared trunk, held against one task's on the same backbone
    /// alone, and what is deployed, held against ten networks. Weights of trunk and heads are random.
    static func tenTasks(_ network: FrozenNetwork, _ precision: Precision, batch: Int, workers: Int) -> Work {
        let speed = Key(
            work: "ten tasks \(network.rawValue)", precision: precision.rawValue, batch: batch, unit: network.unit)
        let size = Key(work: speed.work, precision: precision.rawValue, batch: batch, unit: "of 10 networks")
        return Work(keys: [speed, size]) { meeting in
            let compiled = try network.compiled(precision.elementType, workers: workers)
            let examples = network.examples(batch)
            let vectorLength = compiled.pooled(network.examples(1)).shape[1]
            let shared = SharedHeads(vectorLength: vectorLength)
            let alone = SharedHeads.head(labels: SharedHeads.labels[0], features: vectorLength)
            let rates = try meeting.rounds(
                speed.description,
                [
                    OwnRuns("Pando, ten tasks", unitsPerRun: batch) { _ = shared(compiled.pooled(examples)) },
                    OwnRuns("Pando, one task", unitsPerRun: batch) { _ = alone(compiled.pooled(examples)) },
                ]
            ).map { Figure(medianOf: $0 ?? []) }
            func milliseconds(_ rate: Figure) -> String { (1000 / rate.value).formatted(digits: 3) }
            let backbone = try network.parameterCount
            let deployed = Double(backbone + shared.parameterCount)
            let separate = Double(10 * backbone + shared.heads.reduce(0) { $0 + $1.parameterCount })
            return [
                Comparison(
                    key: speed, ours: rates[0], peers: [PeerFigure(peer: "one task", figure: rates[1])],
                    goal: .ratioAtLeast(1 / 1.15),
                    note: "\(milliseconds(rates[0])) ms for all ten, \(milliseconds(rates[1])) ms for one"),
                Comparison(key: size, ours: Figure(deployed / separate), goal: .figureAtMost(0.15), note: "parameters"),
            ]
        }
    }
}

/// A trunk of 512 and ten heads, as many labels each as Debian's section and the facets of debtags have.
private struct SharedHeads: Module {
    static let labels = [50, 11, 16, 8, 33, 23, 9, 2, 13, 15]

    var trunk: MLP
    var heads: [Linear]

    init(vectorLength: Int) {
        var generator = SeededGenerator(seed: 1)
        trunk = MLP(vectorLength: vectorLength, hidden: 512, using: &generator)
        heads = Self.labels.map { Self.head(labels: $0, features: 512) }
    }

    static func head(labels: Int, features: Int) -> Linear {
        var generator = SeededGenerator(seed: 2)
        return Linear(features, labels, using: &generator)
    }

    func callAsFunction(_ vectors: Tensor) -> [Tensor] {
        let hidden = trunk(Features(pooled: vectors.cast(to: .float32)))
        return heads.map { $0(hidden) }
    }

    mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("trunk", &trunk)
        visitor.modules("heads", &heads)
    }
}
