import ArgumentParser
import Foundation
import PandoTensor

/// Measures Pando's training in a process of its own, as `peers.py --serve` does a peer's.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Measure Pando's own training, as asked on standard input.",
        discussion: """
            A request is a line, {"work": "training resnet18", "precision": "f32", "batch": 32, "unit": "steps/s", \
            "seconds": 1}; so is an answer, as peers.py gives it.
            """)

    @Option(help: "JSON lines that text networks are adapted to.")
    var texts: String?

    @Option(help: "The folder in which features are stored.")
    var features: String?

    func run() throws {
        var present: (key: Work.Key, runs: OwnRuns, resident: ResidentMemory, tensors: Int)?
        while let line = readLine() {
            let request = try JSONDecoder().decode(PeerRequest.self, from: Data(line.utf8))
            if present?.key != request.key {
                present = nil  // what was made ready for the last one goes first
                try readData(request.key)
                let resident = try ResidentMemory()
                let makeReady = try work(request.key)
                try resident.forgetPeak()
                let report = try MemoryMeter.measure {
                    let runs = try makeReady()
                    // What an optimizer remembers is there from the second step on.
                    for _ in 0..<2 { _ = try runs.round(seconds: 0) }
                    return runs
                }
                present = (request.key, report.result, resident, report.peakBytes)
            }
            guard let (key, runs, resident, tensors) = present else { continue }
            let rates = try runs.round(seconds: request.seconds)
            let row = PeerRow(
                work: key.work, precision: key.precision, batch: key.batch, unit: key.unit, peer: "Pando", version: "",
                how: "", rates: rates, memory: resident.peak,
                memory_how: "tensors \((Double(tensors) / 1e6).formatted(digits: 0)) MB")
            FileHandle.standardOutput.write(try JSONEncoder().encode(row) + Data("\n".utf8))
        }
    }

    /// Reads the data once before memory is counted, as the peers do.
    private func readData(_ key: Work.Key) throws {
        let words = key.work.split(separator: " ").map(String.init)
        guard words.count == 3, words[0] == "adapt", let network = AdaptedNetwork(rawValue: words[1]), let texts else { return }
        try network.readData(texts: URL(fileURLWithPath: texts))
    }

    /// Data and a pretrained network are there when this returns, and count, but not how they got there; the rest is made
    /// ready by what is returned.
    private func work(_ key: Work.Key) throws -> () throws -> OwnRuns {
        let words = key.work.split(separator: " ").map(String.init)
        guard let precision = Precision(rawValue: key.precision) else { throw Self.unknown(key) }
        switch words.first {
        case "training" where words.count == 2:
            guard let network = TrainedNetwork(rawValue: words[1]), key.batch == TrainedNetwork.batch else { break }
            return { OwnRuns(unitsPerRun: 1, network.step(precision, workers: Machine().cores)) }
        case "adapt" where words.count == 3:
            guard let network = AdaptedNetwork(rawValue: words[1]), let texts, let features,
                let method = AdaptedNetwork.Method(rawValue: words[2]), key == network.key(method, precision)
            else { break }
            return try network.prepare(
                method, precision, texts: URL(fileURLWithPath: texts), features: URL(fileURLWithPath: features))
        default: break
        }
        throw Self.unknown(key)
    }

    private static func unknown(_ key: Work.Key) -> ValidationError { ValidationError("no such work: \(key.description)") }
}
