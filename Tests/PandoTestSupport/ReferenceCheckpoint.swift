import Foundation
import PandoTensor

/// A checkpoint of another library's network, from a golden file's metadata: its `config.json` and its tensors, whose
/// values both sides compute (`Tests/golden/parity.py`).
public struct ReferenceCheckpoint {
    public let configuration: String
    /// The library's tensors under its own names.
    public let weights: [String: Tensor]

    public init(metadata: [String: String]) throws {
        struct Missing: Error { let key: String }
        guard let configuration = metadata["config.json"] else { throw Missing(key: "config.json") }
        guard let lines = metadata["tensors"] else { throw Missing(key: "tensors") }
        self.configuration = configuration
        weights = Dictionary(
            uniqueKeysWithValues: lines.split(separator: "\n").map { line in
                let fields = line.split(separator: " ", omittingEmptySubsequences: false)
                let (name, shape) = (String(fields[0]), fields[2].split(separator: ",").map { Int($0)! })
                let type: ElementType = ["F32": .float32, "I64": .int64, "BOOL": .bool][fields[1]]!
                return (name, type == .float32 ? .wave(name, shape) : .zeros(shape, type))
            })
    }

    /// Writes the checkpoint into a folder as the library would.
    public func write(into folder: TemporaryDirectory) throws {
        _ = try folder.file("config.json", holding: Array(configuration.utf8))
        try SafetensorsFile.write(weights, to: folder.file("model.safetensors"))
    }
}

extension Tensor {
    /// The values that `fill` of `Tests/golden/networks.py` gives the tensor `name`.
    public static func wave(_ name: String, _ shape: [Int]) -> Tensor {
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

    /// Two pictures that both sides compute: `sin(0.013 i) + sin(0.00037 i)`.
    public static func waves(_ height: Int, _ width: Int) -> Tensor {
        let values = (0..<2 * height * width * 3).map { index in
            let (slow, fast): (Double, Double) = (sin(0.00037 * Double(index)), sin(0.013 * Double(index)))
            return Float(fast + slow)
        }
        return Tensor(values, shape: [2, height, width, 3])
    }
}
