import ArgumentParser
import Foundation
import PandoTensor

/// Measures Pando's training of whole networks in a process of its own, as `peers.py --serve` does a peer's.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Measure Pando's own training, as asked on standard input.",
        discussion: """
            A request is a line, {"work": "training resnet18", "precision": "f32", "batch": 32, "unit": "steps/s", \
            "seconds": 1}; so is an answer, as peers.py gives it.
            """)

    func run() throws {
        var present: (key: Work.Key, runs: OwnRuns, resident: ResidentMemory, start: Int)?
        while let line = readLine() {
            let request = try JSONDecoder().decode(PeerRequest.self, from: Data(line.utf8))
            if present?.key != request.key {
                present = nil  // what was made ready for the last one goes first
                let (resident, start) = (try ResidentMemory(), MemoryMeter.liveBytes)
                let runs = OwnRuns(unitsPerRun: 1, try step(request.key))
                // What an optimizer remembers is there from the second step on.
                for _ in 0..<2 { _ = try runs.round(seconds: 0) }
                present = (request.key, runs, resident, start)
            }
            guard let (key, runs, resident, start) = present else { continue }
            let rates = try runs.round(seconds: request.seconds)
            let tensors = Double(MemoryMeter.peakBytes - start) / 1e6
            let row = PeerRow(
                work: key.work, precision: key.precision, batch: key.batch, unit: key.unit, peer: "Pando", version: "",
                how: "", rates: rates, memory: resident.peak,
                memory_how: "tensors \(tensors.formatted(digits: 0)) MB")
            FileHandle.standardOutput.write(try JSONEncoder().encode(row) + Data("\n".utf8))
        }
    }

    private func step(_ key: Work.Key) throws -> () -> Void {
        let name = key.work.split(separator: " ").last.map(String.init) ?? ""
        guard let network = TrainedNetwork(rawValue: name), let precision = Precision(rawValue: key.precision),
            key.batch == TrainedNetwork.batch
        else { throw ValidationError("no such work: \(key.description)") }
        return network.step(precision, workers: Machine().cores)
    }
}
