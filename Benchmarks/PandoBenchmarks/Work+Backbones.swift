import Foundation
import PandoBackbones
import PandoNN
import PandoTensor

extension Work {
    /// A network that PyTorch exported to ONNX against the same network of our own, both as frozen programs; weights are
    /// random on both sides, which says nothing of speed.
    static func exported(_ network: FrozenNetwork, _ precision: Precision, batch: Int, workers: Int) -> Work {
        let key = Key(work: "onnx \(network.rawValue)", precision: precision.rawValue, batch: batch, unit: network.unit)
        return Work(keys: [key]) { meeting in
            guard let options = meeting.options else { return [] }
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("pando-\(network.rawValue)-\(getpid()).onnx")
            defer { remove(file) }
            tell("\(key.description): exporting")
            let export = Process()
            export.executableURL = URL(fileURLWithPath: options.python)
            export.arguments = [
                URL(fileURLWithPath: options.peers).deletingLastPathComponent().appendingPathComponent("export_onnx.py").path,
                network.rawValue, file.path,
            ]
            export.standardOutput = FileHandle.nullDevice
            export.standardError = FileHandle.nullDevice
            try export.run()
            export.waitUntilExit()
            guard export.terminationStatus == 0 else {
                tell("\(key.description): PyTorch does not export it here")
                return []
            }
            let model = FrozenBackbone(
                try ONNXBackbone(file, pooling: .classifierInput), precision: precision.elementType)
            let plain = try network.compiled(precision.elementType, workers: workers)
            let examples = network.examples(batch)
            let contestants = [
                OwnRuns("Pando, ONNX", unitsPerRun: batch) { _ = model.features(of: examples, workers: workers) },
                OwnRuns("Pando, own network", unitsPerRun: batch) { _ = plain.pooled(examples) },
            ]
            let rates = try meeting.rounds(key.description, contestants).map { Figure(medianOf: $0 ?? []) }
            return [
                Comparison(
                    key: key, ours: rates[0], peers: [PeerFigure(peer: "own network", figure: rates[1])],
                    goal: .ratioAtLeast(1))
            ]
        }
    }

    /// From a file of weights in the system's cache to a network that can be used: ViT-B, 346 MB.
    static func loading() -> Work {
        let key = Key(work: "open vit_base", precision: "f32", batch: 1, unit: "s")
        return Work(keys: [key]) { meeting in
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("pando-vit-\(getpid()).safetensors")
            defer { remove(file) }
            let name = "vit_base_patch16_224"
            let network = try Catalog.architecture(named: name).makeNetwork(seed: 1)
            try SafetensorsFile.write(
                Dictionary(uniqueKeysWithValues: network.namedTensors.map { ($0.name, $0.tensor) }), metadata: [:], to: file)
            let runs = OwnRuns(unitsPerRun: 1) { _ = try BackboneSource(file, named: name).open() }
            let rates = try meeting.rounds(key.description, [runs])
            let seconds = Figure(medianOf: (rates[0] ?? []).map { 1 / $0 })
            return [Comparison(key: key, ours: seconds, goal: .figureAtMost(0.3))]
        }
    }

    private static func remove(_ file: URL) {
        guard FileManager.default.fileExists(atPath: file.path) else { return }
        do { try FileManager.default.removeItem(at: file) } catch {
            tell("left behind: \(file.path): \(error.localizedDescription)")
        }
    }
}
