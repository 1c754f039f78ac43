import Foundation
import PandoTensor
import Testing

/// One stored answer of PyTorch: an operation's inputs, its value and its gradients.
///
/// `Tests/golden/` computes the cases in `float64`; `operations.py` there documents their names.
public struct GoldenCase: Sendable, CustomTestStringConvertible {
    public let name: String
    public let operation: String
    public let inputs: [Tensor]
    public let output: Tensor
    /// What the output's gradient is, when there are gradients.
    public let cotangent: Tensor?
    /// Expected gradients by the input's position; inputs that are not differentiated have none.
    public let gradients: [Int: Tensor]
    /// Further results that the case names.
    public let extras: [String: Tensor]
    public let attributes: Attributes

    public var testDescription: String { name }

    /// Sizes and options of an operation, read by name.
    ///
    /// Reading one that the case does not have, or as another kind, stops the program: the table that reads it is wrong.
    public struct Attributes: Sendable {
        let json: JSON

        public func has(_ name: String) -> Bool { json[name] != nil }

        public func integers(_ name: String) -> [Int] {
            (json[name]?.array ?? missing(name)).map { $0.integer ?? missing(name) }
        }

        public func strings(_ name: String) -> [String] {
            (json[name]?.array ?? missing(name)).map { $0.string ?? missing(name) }
        }

        public func integer(_ name: String) -> Int { json[name]?.integer ?? missing(name) }

        public func bool(_ name: String) -> Bool { json[name]?.bool ?? missing(name) }

        public func string(_ name: String) -> String { json[name]?.string ?? missing(name) }

        /// `nil` for null.
        public func optionalFloat(_ name: String) -> Float? { json[name]?.isNull == true ? nil : float(name) }

        public func float(_ name: String) -> Float {
            switch json[name] {
            case .number(let value): Float(value)
            case .integer(let value): Float(value)
            default: missing(name)
            }
        }

        private func missing<Value>(_ name: String) -> Value { stop("the case has no attribute \(name) of this kind") }
    }
}

extension GoldenCase {
    /// Operations that belong to PandoNN; all others are PandoTensor's.
    public static let losses: Set = [
        "crossEntropy", "binaryCrossEntropy", "focal", "smoothL1", "meanSquaredError", "infoNCE",
    ]
    public static let optimizers: Set = ["adamW", "sgd", "lamb", "adafactor"]
    public static let schedules: Set = ["warmUpCosine"]

    /// Every stored case of `operations.json`, in its order.
    public static let all = cases(in: "operations")

    /// The cases of one listing, `Tests/PandoTensorTests/Golden/NAME.json` and `.safetensors`, in its order.
    public static func cases(in name: String) -> [GoldenCase] {
        do { return try read(name) } catch { stop("the golden values \(name) cannot be read: \(error)") }
    }

    private static func read(_ name: String) throws -> [GoldenCase] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let folder = tests.appending(path: "PandoTensorTests/Golden")
        let tensors = try SafetensorsFile(folder.appending(path: "\(name).safetensors")).tensors
        let listing = try Data(contentsOf: folder.appending(path: "\(name).json"))
            .withUnsafeBytes { try JSON(parsing: $0) }
        return (listing["cases"]?.array ?? []).map { entry in
            guard let name = entry["name"]?.string, let operation = entry["operation"]?.string,
                let count = entry["inputs"]?.integer, let attributes = entry["attributes"],
                let output = tensors["\(name)/output"]
            else { stop("the listing of golden values lacks something in \(entry)") }
            var gradients: [Int: Tensor] = [:]
            for position in 0..<count { gradients[position] = tensors["\(name)/grad\(position)"] }
            var extras: [String: Tensor] = [:]
            for (path, tensor) in tensors where path.hasPrefix(name + "/") {
                extras[String(path.dropFirst(name.count + 1))] = tensor
            }
            return GoldenCase(
                name: name, operation: operation, inputs: (0..<count).map { tensors["\(name)/input\($0)"]! },
                output: output, cotangent: tensors["\(name)/cotangent"], gradients: gradients, extras: extras,
                attributes: Attributes(json: attributes))
        }
    }
}

/// What computes an operation of a golden case.
public typealias GoldenCall = @Sendable (_ inputs: [Tensor], _ attributes: GoldenCase.Attributes) -> Tensor

/// Expects `call` to give the case's value and every gradient it states.
public func expectParity(
    _ golden: GoldenCase, relative: Float = 1e-5, _ call: GoldenCall,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    var leaves: [Tensor] = []
    var positions: [Int] = []
    let inputs = golden.inputs.enumerated().map { position, input in
        guard golden.gradients[position] != nil else { return input }
        leaves.append(input.differentiable)
        positions.append(position)
        return leaves[leaves.count - 1]
    }
    let output = call(inputs, golden.attributes)
    expectClose(output, golden.output, relative: relative, golden.name, sourceLocation: sourceLocation)
    guard let cotangent = golden.cotangent, output.shape == cotangent.shape else { return }
    for (position, found) in zip(positions, output.gradients(for: leaves, seed: cotangent)) {
        expectClose(
            found, golden.gradients[position]!, relative: relative, "\(golden.name), gradient of input \(position)",
            sourceLocation: sourceLocation)
    }
}
