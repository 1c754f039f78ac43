import Foundation
import PandoTensor

/// Writes a function of pictures as an ONNX model.
///
/// The function is traced, and each of its operations becomes one or a few nodes of ONNX's own operators. Weights are
/// written as `float32`. The model's input has its channels first, `[N, C, H, W]`, as the field's models have it.
/// - Source: the ONNX specification, https://onnx.ai/onnx/repo-docs/IR.html and …/Operators.html.
public struct ONNXExport: Sendable {
    /// How many pictures the model takes at once.
    public enum Batch: Sendable, Hashable {
        /// Any number; the size is called `N` in the model.
        case dynamic
        case fixed(Int)
    }

    /// What was written.
    public struct Summary: Sendable, Encodable {
        public let file: String
        /// The weights' own file, if the model's became too large.
        public let weightsFile: String?
        public let byteCount: Int
        public let nodeCount: Int
        public let operatorSet: Int
        /// By name, in order; `nil` for the batch's size if that is open.
        public let inputs: [Port]
        public let outputs: [Port]
        /// How often each operator occurs.
        public let operators: [String: Int]
    }

    /// An input or output of the model.
    public struct Port: Sendable, Encodable {
        public let name: String
        public let shape: [Int?]
    }

    /// The input's name.
    public var inputName: String
    /// Sizes of the input without the batch's, in the function's order: `[H, W, C]`.
    public var inputShape: [Int]
    public var batch: Batch
    /// The version of ONNX's operators.
    public var operatorSet: Int
    /// Names for the weights, by `Tensor.identity`.
    package var weightNames: [ObjectIdentifier: String] = [:]
    /// What the model says of itself besides.
    public var metadata: [String: String] = [:]

    /// Versions of ONNX's operators that can be written.
    ///
    /// Layer norm came with 17; what came later is written with what there was before, so that one form serves all.
    public static let operatorSets = 17...21
    public static let defaultOperatorSet = 17

    /// - Throws: `ONNXExportError` if the operator set is not one of `operatorSets`, or the batch is empty.
    public init(
        inputName: String, inputShape: [Int], batch: Batch = .dynamic, operatorSet: Int = defaultOperatorSet
    ) throws(ONNXExportError) {
        guard Self.operatorSets.contains(operatorSet) else {
            throw ONNXExportError(
                "operator set \(operatorSet), expected \(Self.operatorSets.lowerBound) to \(Self.operatorSets.upperBound)")
        }
        if case .fixed(let count) = batch, !(1...65_536).contains(count) {
            throw ONNXExportError("a batch of \(count), expected 1 to 65536 or an open size")
        }
        self.inputName = inputName
        self.inputShape = inputShape
        self.batch = batch
        self.operatorSet = operatorSet
    }

    /// Writes `function`, which gives a result for each of `outputs`.
    ///
    /// Weights above two gigabytes go to a file of their own beside the model's, with `.data` after its name.
    /// - Throws: `ONNXExportError` with every operation that has no equal in ONNX, or `FileError`; a file that was at
    ///   `url` stays then.
    @discardableResult
    public func write(
        to url: URL, outputs: [String], _ function: (Tensor) -> [Tensor]
    ) throws -> Summary {
        try write(to: url, outputs: outputs, weightsLimit: ExportFile.weightsLimit, function)
    }

    func write(
        to url: URL, outputs: [String], weightsLimit: Int, _ function: (Tensor) -> [Tensor]
    ) throws -> Summary {
        guard Set(outputs + [inputName]).count == outputs.count + 1 else {
            throw ONNXExportError("the names \(([inputName] + outputs).joined(separator: ", ")) are not different from one another")
        }
        let (trace, size): (BatchTrace, Extent) =
            switch batch {
            case .dynamic:
                (try BatchTrace(ofAnyCountWithShape: inputShape, function), Extent(count: 1, isPerElement: true))
            case .fixed(let count): (BatchTrace(of: count, shape: inputShape, function), Extent(count: count))
            }
        require(trace.outputs.count == outputs.count, "ONNXExport: \(trace.outputs.count) results for names \(outputs)")
        let shape = [size] + inputShape.map { Extent(count: $0) }
        let input = ExportedValue.arranged(inputName, shape, ExportedValue.channelsFirst(rank: shape.count))
        var writer = GraphWriter(trace, input: input, operatorSet: operatorSet, weightNames: weightNames)
        let results = try writer.write(outputs: outputs)
        var file = ExportFile(operatorSet: operatorSet, metadata: metadata)
        file.setGraph(writer, inputs: [input], outputs: results)
        let (byteCount, weightsFile) = try file.write(to: url, constants: writer.constants, weightsLimit: weightsLimit)
        return Summary(
            file: url.path, weightsFile: weightsFile?.path, byteCount: byteCount, nodeCount: writer.nodes.count,
            operatorSet: operatorSet, inputs: [Port(input)], outputs: results.map(Port.init),
            operators: writer.nodes.reduce(into: [:]) { $0[$1.opType, default: 0] += 1 })
    }
}

extension ONNXExport.Port {
    fileprivate init(_ value: ExportedValue) {
        self.init(name: value.name, shape: value.stored.map { $0.isPerElement ? nil : $0.count })
    }
}
