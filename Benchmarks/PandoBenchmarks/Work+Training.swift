import Foundation
import PandoNN
import PandoTensor

extension Work {
    /// Steps of a linear head on stored features: the batch taken, forward, backward, AdamW.
    static func headTraining() -> Work {
        let (rows, features, labels, batch) = (5_685, 1_280, 92, 64)
        let key = Key(work: "head training", precision: "f32", batch: batch, unit: "steps/s")
        return small(key, goal: nil) {
            var generator = SeededGenerator(seed: 1)
            let stored = Tensor.uniform(-1..<1, [rows, features], using: &generator)
            let rare = Tensor.uniform(0..<1, [rows, labels], using: &generator)
            let targets = (Tensor(Float(0.05)) .> rare).cast(to: .float32)
            var head = Linear(features, labels, using: &generator)
            var optimizer = AdamW(learningRate: 1e-3)
            return {
                let chosen = Tensor((0..<batch).map { _ in Int64.random(in: 0..<Int64(rows), using: &generator) })
                let (x, y) = (stored.gathered(at: chosen), targets.gathered(at: chosen))
                let (_, gradients) = valueAndGradients(of: head) { binaryCrossEntropy($0(x), y) }
                optimizer.update(&head, along: gradients)
            }
        }
    }

    /// Steps of three layers on one batch.
    static func perceptronTraining() -> Work {
        let (width, classes, batch) = (256, 10, 64)
        let key = Key(work: "training mlp", precision: "f32", batch: batch, unit: "steps/s")
        return small(key, goal: .ratioAtLeast(3)) {
            var generator = SeededGenerator(seed: 1)
            let examples = Tensor.uniform(-1..<1, [batch, width], using: &generator)
            let targets = (0..<batch).map { _ in Int.random(in: 0..<classes, using: &generator) }
            var network = Perceptron(widths: [width, width, width, classes], using: &generator)
            var optimizer = AdamW(learningRate: 1e-3)
            return {
                let (_, gradients) = valueAndGradients(of: network) { crossEntropy($0(examples), targets) }
                optimizer.update(&network, along: gradients)
            }
        }
    }

    private static func small(_ key: Key, goal: Goal?, _ prepare: @escaping () -> () -> Void) -> Work {
        Work(keys: [key]) { meeting in
            let ours = OwnRuns(unitsPerRun: 1, prepare())
            let (figure, peers) = try meeting.rates(key, ours, against: ["pytorch-training"])
            return [Comparison(key: key, ours: figure, peers: peers, goal: goal)]
        }
    }

    /// Steps of a whole network, each side in a fresh process, and the memory that they take.
    static func training(_ network: TrainedNetwork, _ precision: Precision) -> Work {
        let batch = TrainedNetwork.batch
        let key = Key(
            work: "training \(network.rawValue)", precision: precision.rawValue, batch: batch, unit: "steps/s")
        var memory = key
        memory.unit = "MB"
        return Work(keys: [key, memory]) { meeting in
            let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            let own = try Peer("Pando", program: program, ["serve"])
            let (ours, guests) = (PeerRuns(own, key), meeting.guests(key, ["pytorch-networks"]))
            let rates = try meeting.rounds(key.description, [ours] + guests)
            try meeting.dismiss(["pytorch-networks"])
            guard let own = ours.row, let rate = rates[0] else { return [] }
            var lines = [
                Comparison(key: key, ours: Figure(medianOf: rate), goal: .ratioAtLeast(1)),
                Comparison(
                    key: memory, ours: Figure(Double(own.memory) / 1e6), goal: .ratioAtMost(1),
                    note: "peak above idle; \(own.memory_how)"),
            ]
            lines[0].note = "\((1 / lines[0].ours.value).formatted(digits: 2)) s a step"
            for (guest, rate) in zip(guests, rates.dropFirst()) {
                guard let row = guest.row, let rate else { continue }
                lines[0].peers.append(
                    PeerFigure(peer: row.peer, figure: Figure(medianOf: rate), version: row.version, how: row.how))
                lines[1].peers.append(
                    PeerFigure(
                        peer: row.peer, figure: Figure(Double(row.memory) / 1e6), version: row.version,
                        how: row.memory_how))
            }
            return lines
        }
    }
}

/// Linear layers with rectifiers between them.
private struct Perceptron: Module {
    var layers: [Linear]

    init(widths: [Int], using generator: inout SeededGenerator) {
        layers = zip(widths, widths.dropFirst()).map { Linear($0, $1, using: &generator) }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        layers.indices.dropFirst().reduce(layers[0](x)) { layers[$1]($0.relu()) }
    }

    mutating func visit(_ visitor: inout some Visitor) { visitor.modules("layers", &layers) }
}
