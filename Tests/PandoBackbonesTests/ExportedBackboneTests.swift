import Foundation
import PandoNN
import PandoONNX
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// Picture networks as ONNX models, read back: what they computed before, every tap of it.
@Suite struct ExportedBackboneTests {
    /// Networks of the parity tests that see pictures, from every family that has them there.
    private static let names: [String] = BackboneParityTests.names.filter { name in
        do {
            return try SafetensorsFile(goldenFile("parity/\(name).safetensors")).metadata["kind"] != "text"
        } catch { fatalError("\(error)") }
    }

    @Test(arguments: names)
    func `an exported network computes what it computed, for batches of any size`(name: String) throws {
        let reference = try ReferenceNetwork(name)
        let folder = try TemporaryDirectory()
        guard let network = try reference.source(in: folder).open().network as? any ImageBackbone,
            case .pictures(let pictures) = reference.input
        else { return }
        try check(network, pictures, in: folder)
    }

    @Test(arguments: ["mobilenet_v2", "efficientnet_lite0"])
    func `an exported network of the catalog computes what it computed`(name: String) throws {
        let network = try Catalog.architecture(named: name).makeImageBackbone(forPicturesOf: 64, seed: 0)
        try check(network, Tensor.waves(64, 64), in: TemporaryDirectory())
    }

    private func check(_ network: some ImageBackbone, _ pictures: Tensor, in folder: TemporaryDirectory) throws {
        let taps = network.taps.map(\.name)
        func outputs(_ pictures: Tensor) -> [Tensor] {
            let features = network.features(of: pictures, reading: Set(taps))
            return [features.pooled] + taps.map { features.taps[$0]! }
        }
        let url = folder.file("model.onnx")
        let export = try ONNXExport(inputName: "pictures", inputShape: Array(pictures.shape.dropFirst()))
        try export.write(to: url, outputs: ["pooled"] + taps, outputs)
        let model = try ONNXModel(contentsOf: url).function()
        for count in [1, 3] {
            let batch = Tensor.concatenated([pictures, pictures * 0.5]).slice(0..<count)
            let found = try model([batch.permuted(0, 3, 1, 2).contiguous()])
            for (name, (found, wanted)) in zip(model.outputs, zip(found, outputs(batch))) {
                expectClose(found, wanted, relative: 1e-4, "\(name) of \(count)")
            }
        }
    }
}
