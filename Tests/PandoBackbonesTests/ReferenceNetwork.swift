import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBackbones

/// A checkpoint that another library's network has, and what that network computes: a file of `Golden/parity` or the like.
///
/// Weights and inputs are computed here as `Tests/golden/parity.py` computes them there.
struct ReferenceNetwork {
    enum Input {
        case pictures(Tensor)
        case texts(TokenTensors)
    }

    let golden: NamedTensors
    /// The library's tensors under its own names.
    let weights: [String: Tensor]
    let input: Input
    let configuration: String

    init(_ name: String, in folder: String = "parity") throws {
        let file = try SafetensorsFile(goldenFile("\(folder)/\(name).safetensors"))
        golden = file.tensors
        configuration = try #require(file.metadata["config.json"])
        weights = Dictionary(
            uniqueKeysWithValues: try #require(file.metadata["tensors"]).split(separator: "\n").map { line in
                let fields = line.split(separator: " ", omittingEmptySubsequences: false)
                let shape = fields[2].split(separator: ",").map { Int($0)! }
                let type: ElementType = ["F32": .float32, "I64": .int64, "BOOL": .bool][fields[1]]!
                let isFloat = type == .float32
                return (String(fields[0]), isFloat ? .wave(String(fields[0]), shape) : .zeros(shape, type))
            })
        let sizes = try JSONDecoder().decode([Int].self, from: Data(try #require(file.metadata["input"]).utf8))
        if file.metadata["kind"] == "text" {
            input = .texts(.reference(length: sizes[1], vocabulary: sizes[2]))
        } else {
            input = .pictures(ImageBackboneTests.waves(sizes[1], sizes[2]))
        }
    }

    /// How many tokens of the second text are no padding.
    var tokensOfTheSecondText: Int? {
        guard case .texts(let texts) = input else { return nil }
        return texts.ids.shape[1] - texts.ids.shape[1] / 3
    }

    /// Writes the checkpoint as the library would.
    func source(in folder: TemporaryDirectory) throws -> BackboneSource {
        _ = try folder.file("config.json", holding: Array(configuration.utf8))
        try SafetensorsFile.write(weights, to: folder.file("model.safetensors"))
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

extension Tensor {
    /// The values that `fill` of `Tests/golden/networks.py` gives the tensor `name`.
    static func wave(_ name: String, _ shape: [Int]) -> Tensor {
        let phase = 0.1 * Double(name.utf8.reduce(0) { $0 + Int($1) })
        let isWide = shape.count >= 2
        let count = shape.reduce(1, *)
        let scale: Double = isWide ? (2 / Double(count / shape[0])).squareRoot() : 0.1
        let shift: Double = !isWide && (name.hasSuffix("weight") || name.hasSuffix("running_var")) ? 1 : 0
        let values = (0..<count).map { index -> Float in
            let place = Double(index)
            let wave: Double = sin(0.37 * (place * place) + phase)
            return Float(wave * scale + shift)
        }
        return Tensor(values, shape: shape)
    }
}
