import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// A checkpoint that another library's network has, and what that network computes: a file of `Golden/parity` or the like.
///
/// Weights and inputs are computed here as `Tests/golden/parity.py` computes them there.
struct ReferenceNetwork {
    let golden: NamedTensors
    private let checkpoint: ReferenceCheckpoint
    let input: BackboneInput

    var configuration: String { checkpoint.configuration }
    /// The library's tensors under its own names.
    var weights: [String: Tensor] { checkpoint.weights }

    init(_ name: String, in folder: String = "parity") throws {
        let file = try SafetensorsFile(goldenFile("\(folder)/\(name).safetensors"))
        golden = file.tensors
        checkpoint = try ReferenceCheckpoint(metadata: file.metadata)
        let sizes = try JSONDecoder().decode([Int].self, from: Data(try #require(file.metadata["input"]).utf8))
        if file.metadata["kind"] == "text" {
            input = .texts(.reference(length: sizes[1], vocabulary: sizes[2]))
        } else {
            input = .pictures(.waves(sizes[1], sizes[2]))
        }
    }

    /// How many tokens of the second text are no padding.
    var tokensOfTheSecondText: Int? {
        guard case .texts(let texts) = input else { return nil }
        return texts.ids.shape[1] - texts.ids.shape[1] / 3
    }

    /// Writes the checkpoint as the library would.
    func source(in folder: TemporaryDirectory) throws -> BackboneSource {
        try checkpoint.write(into: folder)
        return try BackboneSource(folder.url)
    }

    /// Whether a tensor of the checkpoint is no weight: a counter, or a table of positions.
    func isComputed(_ name: String) -> Bool { weights[name]?.elementType != .float32 }
}

extension TokenTensors {
    /// Two texts, the last third of the second one padding.
    static func reference(length: Int, vocabulary: Int) -> TokenTensors {
        let count = 2 * length
        let ids = (0..<count).map { Int64((7 * $0 * $0 + 13 * $0 + 3) % vocabulary) }
        let mask = (0..<count).map { Int64($0 < count - length / 3 ? 1 : 0) }
        let shape = [2, length]
        return TokenTensors(ids: Tensor(ids, shape: shape), attentionMask: Tensor(mask, shape: shape))
    }
}
