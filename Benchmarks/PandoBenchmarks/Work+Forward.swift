import Foundation
import PandoTensor

extension Work {
    private static let forwardPeers = ["pytorch", "openvino"]

    private static func forwardKey(_ network: FrozenNetwork, _ precision: Precision, _ batch: Int) -> Key {
        Key(work: "forward \(network.rawValue)", precision: precision.rawValue, batch: batch, unit: network.unit)
    }

    /// Inputs in memory to pooled vectors.
    static func forward(_ network: FrozenNetwork, _ precision: Precision, batch: Int, workers: Int) -> Work {
        let key = forwardKey(network, precision, batch)
        return Work(keys: [key]) { meeting in
            let compiled = try network.compiled(precision.elementType, workers: workers)
            let examples = network.examples(batch)
            let ours = OwnRuns(unitsPerRun: batch) { _ = compiled.pooled(examples) }
            let (figure, peers) = try meeting.rates(key, ours, against: forwardPeers)
            var line = Comparison(key: key, ours: figure, peers: peers)
            line.goal = .ratioAtLeast(network.isTransformer && precision == .bf16 ? 1.5 : 1)
            if precision == .bf16, let peak = Peak.bfloat16(cores: workers) {
                line.peakShare = figure.value * 2 * Double(compiled.multiplyAdds) / peak
            }
            return [line]
        }
    }

    /// The share of the idle machine's rate that is left when another process keeps a core busy.
    static func busy(_ network: FrozenNetwork, _ precision: Precision, batch: Int, workers: Int) -> Work {
        var key = forwardKey(network, precision, batch)
        let forward = key
        key.work = "busy \(network.rawValue)"
        key.unit = "of idle"
        return Work(keys: [key]) { meeting in
            let compiled = try network.compiled(precision.elementType, workers: workers)
            let examples = network.examples(batch)
            let ours = OwnRuns(unitsPerRun: batch) { _ = compiled.pooled(examples) }
            let guests = meeting.guests(forward, forwardPeers)
            let all: [any Contestant] = [ours] + guests
            let idle = try meeting.rounds(forward.description, all)
            let spinner = try Spinner()
            defer { spinner.end() }
            let busy = try meeting.rounds(key.description, zip(all, idle).filter { $1 != nil }.map(\.0))
            var kept: [(contestant: any Contestant, figure: Figure)] = []
            for (contestant, pair) in zip(zip(all, idle).filter { $1 != nil }, busy) {
                guard let before = contestant.1, let during = pair else { continue }
                var figure = Figure(medianOf: during)
                figure.value /= Figure(medianOf: before).value
                kept.append((contestant.0, figure))
            }
            guard let own = kept.first, own.contestant === ours else { return [] }
            var line = Comparison(key: key, ours: own.figure, goal: .ratioAtLeast(1))
            line.peers = kept.dropFirst().map { contestant, figure in
                let row = (contestant as? PeerRuns)?.row
                return PeerFigure(
                    peer: row?.peer ?? contestant.name, figure: figure, version: row?.version, how: row?.how)
            }
            return [line]
        }
    }

    /// In 8-bit integers against our own bf16, and how near the results of the two are.
    static func quantized(_ network: FrozenNetwork, batch: Int, workers: Int) -> Work {
        let speed = Key(work: "int8 \(network.rawValue)", precision: "int8", batch: batch, unit: network.unit)
        let likeness = Key(work: "int8 \(network.rawValue)", precision: "int8", batch: batch, unit: "cosine")
        return Work(keys: [speed, likeness]) { meeting in
            tell("\(speed.description): calibrating")
            let quantized = try network.quantized(calibratedOn: network.examples(8, seed: 2), workers: workers)
            let plain = try network.compiled(.bfloat16, workers: workers)
            let examples = network.examples(batch)
            let ours = OwnRuns("Pando int8", unitsPerRun: batch) { _ = quantized.pooled(examples) }
            let theirs = OwnRuns("Pando bf16", unitsPerRun: batch) { _ = plain.pooled(examples) }
            let rates = try meeting.rounds(speed.description, [ours, theirs]).map { Figure(medianOf: $0 ?? []) }
            let (left, right) = (quantized.pooled(examples).l2Normalized(), plain.pooled(examples).l2Normalized())
            let cosines = (left * right).sum(along: [1]).scalars()
            let layers = quantized.quantization?.layers ?? []
            return [
                Comparison(
                    key: speed, ours: rates[0], peers: [PeerFigure(peer: "Pando bf16", figure: rates[1])],
                    goal: network.isTransformer ? .ratioAtLeast(1.5) : nil,
                    note: "\(layers.count { !$0.isKept }) of \(layers.count) layers in 8 bits"),
                Comparison(
                    key: likeness, ours: Figure(Double(cosines.reduce(0, +)) / Double(batch)),
                    goal: .figureAtLeast(0.99), note: "with bf16, mean over the batch"),
            ]
        }
    }
}

/// A process that keeps one core busy until it is ended, or for some minutes if nobody ends it.
private struct Spinner {
    private let process = Process()

    init() throws {
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "ulimit -t 300; while :; do :; done"]
        try process.run()
    }

    func end() {
        process.terminate()
        process.waitUntilExit()
    }
}
