import Foundation
import PandoTensor

/// A network in an ONNX file, to be run as it is: frozen.
///
/// The file is read once and checked as a whole; every fault that can be told without running is told at once. What
/// it computes is a function of tensors (`function(reading:)`), which can run value by value or be compiled to a
/// `Program`. Floating-point numbers of every size are computed as `float32` (in programs, in the program's
/// precision): double precision is not kept. Whole numbers are counted in 64 bits.
///
/// - Source: the ONNX specification, https://onnx.ai/onnx/repo-docs/IR.html and …/Operators.html; operator sets 13 to
///   28.
public struct ONNXModel: Sendable {
    /// An input or output of the graph.
    public struct Port: Sendable, Hashable {
        public let name: String
        /// `.float32` for floating-point numbers of every size, `.int64` for whole numbers of every size, `.bool`.
        public let elementType: ElementType
        /// Sizes in the file's order; `nil` for one that may differ from run to run, `nil` altogether if the file does
        /// not say.
        public let shape: [Int?]?
    }

    /// A value between input and output, which can be read too.
    public struct Value: Sendable, Hashable {
        public let name: String
        /// The operator that makes it, with its domain unless that is ONNX's own.
        public let `operator`: String
        /// As the file describes it; most exporters do not. See `shapes(forInputs:)`.
        public let shape: [Int?]?
    }

    public let url: URL
    /// Name and version of the program that wrote the file.
    public let producer: String
    /// The version of ONNX's own operators.
    public var operatorSet: Int { graph.operatorSet }
    let graph: ONNXGraph
    /// The files beside the model that hold values of its own, by the names under which it knows them.
    public let externalFiles: [String: URL]

    /// - Throws: `ONNXError` with everything that is wrong with the file: one that is no model or cut short, operators
    ///   that are not supported, names that nothing makes, values that contradict their sizes or lie outside of the
    ///   model's folder.
    public init(contentsOf url: URL) throws(ONNXError) {
        self.url = url
        var reader = ModelReader(url)
        (graph, producer) = try reader.read()
        externalFiles = reader.externalFiles.mapValues(\.url)
    }

    public var inputs: [Port] { graph.inputs.map(Port.init) }
    public var outputs: [Port] { graph.outputs.map(Port.init) }

    /// Every value that a node makes, in the order in which they come about.
    public var values: [Value] {
        graph.nodes.flatMap { node in
            node.outputs.filter { !$0.isEmpty }.map {
                Value(name: $0, operator: node.label, shape: graph.descriptions[$0]?.shape)
            }
        }
    }

    /// How often each operator occurs.
    public var operatorCounts: [String: Int] { graph.nodes.reduce(into: [:]) { $0[$1.label, default: 0] += 1 } }

    /// The floating-point constants that the file names, by name.
    public var weights: [(name: String, tensor: Tensor)] {
        graph.constants.filter { $0.value.kind == .float }.sorted { $0.key < $1.key }.map { ($0.key, $0.value.tensor) }
    }

    /// Numbers in the model's floating-point constants.
    public var parameterCount: Int { weights.reduce(0) { $0 + $1.tensor.elementCount } }

    /// ONNX's own operators that are supported, in alphabetical order.
    public static var supportedOperators: [String] { OperatorTable.names }

    /// What the last linear map before the first output reads: the pooled vector in front of a classifier; `nil` if
    /// the output is no linear map's.
    public var classifierInput: String? {
        guard var name = graph.outputs.first?.name else { return nil }
        let producers = Dictionary(
            graph.nodes.flatMap { node in node.outputs.map { ($0, node) } }, uniquingKeysWith: { first, _ in first })
        let passing: Set = ["Add", "Identity", "Softmax", "LogSoftmax", "Sigmoid", "Reshape", "Flatten", "Squeeze"]
        for _ in graph.nodes {
            guard let node = producers[name] else { return nil }
            if node.label == "Gemm" || node.label == "MatMul" {
                return node.inputs.dropFirst().first.map { graph.constants[$0] != nil || isFixed($0, producers) } ?? false
                    ? node.inputs[0] : nil
            }
            guard passing.contains(node.label), let next = node.inputs.first(where: { producers[$0] != nil }) else { return nil }
            name = next
        }
        return nil
    }

    /// Whether a value is made of constants alone, by few steps.
    private func isFixed(_ name: String, _ producers: [String: ONNXNode], depth: Int = 8) -> Bool {
        if graph.constants[name] != nil { return true }
        guard depth > 0, let node = producers[name], ["Transpose", "Identity", "Constant", "Cast"].contains(node.label) else { return false }
        return node.inputs.allSatisfy { isFixed($0, producers, depth: depth - 1) }
    }

    /// What the model computes, up to the values `names`: outputs or values between (by default the outputs).
    ///
    /// - Parameters:
    ///   - channelsLast: inputs that will be given as `[N, …, C]`, though the file has them as `[N, C, …]`.
    ///   - givesChannelsLast: whether maps that the file has as `[N, C, …]` are returned as `[N, …, C]`.
    /// - Throws: `ONNXError` if there is no value of such a name, or nodes on the way to it are faulty.
    public func function(
        reading names: [String]? = nil, channelsLast: Set<String> = [], givesChannelsLast: Bool = false
    ) throws(ONNXError) -> ONNXFunction {
        try ONNXFunction(
            self, names ?? graph.outputs.map(\.name), channelsLast: channelsLast, givesChannelsLast: givesChannelsLast,
            isRewritten: true)
    }

    /// The shape of every value, for inputs of these shapes. The model runs once, on zeros.
    public func shapes(forInputs shapes: [[Int]]) throws(ONNXError) -> [String: [Int]] {
        let names = values.map(\.name)
        let function = try ONNXFunction(self, names, channelsLast: [], givesChannelsLast: false, isRewritten: false)
        return try function.shapes(forInputs: shapes)
    }
}

extension ONNXModel.Port {
    init(_ description: ONNXGraph.Description) {
        let type: ElementType =
            switch description.type.kind {
            case .integer: .int64
            case .bool: .bool
            case .float, nil: .float32
            }
        self.init(name: description.name, elementType: type, shape: description.shape)
    }
}
