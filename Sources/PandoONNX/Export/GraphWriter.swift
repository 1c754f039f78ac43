import Foundation
import PandoTensor

/// Writes a function's steps as nodes of an ONNX graph.
struct GraphWriter {
    /// A constant of the graph.
    struct Constant {
        let name: String
        let tensor: Tensor
    }

    /// An attribute's value.
    enum Attribute {
        case integer(Int)
        case integers([Int])
        case float(Float)
    }

    let trace: BatchTrace
    let operatorSet: Int
    /// The input's name and axes.
    let input: ExportedValue
    /// Names of weights, by the storage that holds them.
    let weightNames: [ObjectIdentifier: String]

    private(set) var nodes: [WireNode] = []
    private(set) var constants: [Constant] = []
    /// What each step computes, as far as they are written.
    var values: [ExportedValue?] = []
    /// The last layer whose weights have names: what follows it is named after it.
    private var scope = ""
    private var usedNames: Set<String> = []
    /// Small constants by their type, shape and bytes, and values that were arranged or reshaped.
    private var knownConstants: [SmallConstant: String] = [:]
    private var knownViews: [ExportedValue: String] = [:]

    private var batchSizeName: String?

    private struct SmallConstant: Hashable {
        let type: ElementType
        let shape: [Int]
        let bytes: [UInt8]
    }

    init(_ trace: BatchTrace, input: ExportedValue, operatorSet: Int, weightNames: [ObjectIdentifier: String]) {
        self.trace = trace
        self.input = input
        self.operatorSet = operatorSet
        self.weightNames = weightNames
        usedNames = [input.name]
    }

    /// Writes all nodes, the last ones making `outputs`, in the order of the function's results.
    /// - Throws: `ONNXExportError` with every operation that ONNX has no equal of.
    mutating func write(outputs: [String]) throws(ONNXExportError) -> [ExportedValue] {
        usedNames.formUnion(outputs)
        var problems: [String] = []
        for step in trace.steps {
            // What depends on a value that could not be written is not looked at.
            let isKnown = step.operands.allSatisfy {
                if case .value(let index) = $0 { values[index] != nil } else { true }
            }
            guard isKnown else {
                values.append(nil)
                continue
            }
            do {
                enterScope(of: step)
                values.append(try value(of: step))
            } catch {
                problems += error.problems
                values.append(nil)
            }
        }
        var seen: Set<String> = []
        problems = problems.filter { seen.insert($0).inserted }
        if !problems.isEmpty { throw ONNXExportError(problems) }
        var results: [ExportedValue] = []
        for (name, index) in zip(outputs, trace.outputs) {
            let value = try inOrder(settled(values[index]!))
            nodes.append(node("Identity", [value.name], [name], [:]))
            results.append(.inOrder(name, value.shape, value.type))
        }
        return results
    }

    private mutating func value(of step: BatchTrace.Step) throws(ONNXExportError) -> ExportedValue {
        switch step.operation {
        case .input: input
        case .convolution, .transposedConvolution, .pooling, .linear, .matrixProduct, .attention: try layer(step)
        case .layerNorm, .rootMeanSquareNorm, .groupNorm, .batchNorm, .softmax: try normalization(step)
        case .activation, .function, .combination, .select, .cast: try elementwise(step)
        case .reduction, .rowReduction: try reduction(step)
        case .reshape, .permute, .broadcast, .slice, .copy, .concatenate, .gather, .gatherElements, .pad, .flip,
            .resample:
            try movement(step)
        case .other(let name): throw ONNXExportError("\(name) has no equal among ONNX's operators")
        }
    }

    // MARK: Names

    private mutating func enterScope(of step: BatchTrace.Step) {
        for case .constant(let constant) in step.operands {
            guard let name = weightNames[constant.tensor.identity] else { continue }
            scope = name.split(separator: ".").dropLast().joined(separator: ".")
            return
        }
    }

    /// A name that nothing has yet, after the last named layer.
    mutating func fresh(_ role: String) -> String {
        let name = scope.isEmpty ? role : "\(scope)/\(role)"
        return unused(name)
    }

    private mutating func unused(_ name: String) -> String {
        if usedNames.insert(name).inserted { return name }
        var number = 2
        while !usedNames.insert("\(name)_\(number)").inserted { number += 1 }
        return "\(name)_\(number)"
    }

    // MARK: Nodes and constants

    private func node(
        _ type: String, _ inputs: [String], _ outputs: [String], _ attributes: [String: Attribute]
    ) -> WireNode {
        var node = WireNode()
        node.name = outputs[0]
        node.opType = type
        node.input = inputs
        node.output = outputs
        node.attribute = attributes.sorted { $0.key < $1.key }.map { name, value in
            var attribute = WireAttribute()
            attribute.name = name
            switch value {
            case .float(let number): (attribute.f, attribute.type) = (number, 1)
            case .integer(let number): (attribute.i, attribute.type) = (Int64(number), 2)
            case .integers(let numbers): (attribute.ints, attribute.type) = (numbers.map { Int64($0) }, 7)
            }
            return attribute
        }
        return node
    }

    /// Adds a node of one result and returns the result's name.
    mutating func add(_ type: String, _ inputs: [String], _ attributes: [String: Attribute] = [:]) -> String {
        let name = fresh(type)
        nodes.append(node(type, inputs, [name], attributes))
        return name
    }

    /// The name of a constant, in the file's type: numbers are `float32`.
    mutating func constant(_ tensor: Tensor, _ role: String) -> String {
        let tensor = tensor.elementType.isFloatingPoint ? tensor.cast(to: .float32) : tensor
        let key = tensor.elementCount <= 64
            ? SmallConstant(type: tensor.elementType, shape: tensor.shape, bytes: tensor.bytes) : nil
        if let key, let name = knownConstants[key] { return name }
        let name = weightNames[tensor.identity].map { unused($0) } ?? fresh(role)
        constants.append(Constant(name: name, tensor: tensor))
        if let key { knownConstants[key] = name }
        return name
    }

    mutating func integers(_ numbers: [Int], _ role: String) -> String {
        constant(Tensor(numbers.map { Int64($0) }), role)
    }

    mutating func number(_ number: Float) -> String { constant(Tensor(number), "number") }

    // MARK: Sizes that follow the batch

    /// `[N]`, the batch's size.
    private mutating func batchSize() -> String {
        if let name = batchSizeName { return name }
        let name = unused("batch_size")
        nodes.append(node("Shape", [input.name], [name], ["start": .integer(0), "end": .integer(1)]))
        batchSizeName = name
        return name
    }

    /// A vector of these sizes.
    mutating func sizes(_ extents: [Extent]) -> String {
        guard extents.contains(where: \.isPerElement) else { return integers(extents.map(\.count), "shape") }
        let parts = extents.map { extent in
            guard extent.isPerElement else { return integers([extent.count], "size") }
            let batch = batchSize()
            return extent.count == 1 ? batch : add("Mul", [batch, integers([extent.count], "size")])
        }
        return parts.count == 1 ? parts[0] : add("Concat", parts, ["axis": .integer(0)])
    }

    // MARK: Values in the form that a node reads

    /// The value with every pending reshape done; its axes may stand in any order.
    mutating func settled(_ value: ExportedValue) throws(ONNXExportError) -> ExportedValue {
        guard value.isReshaped else { return value }
        if let name = knownViews[value] { return .inOrder(name, value.shape, value.type) }
        let source = value.isRowMajor ? value : rowMajor(value)
        let open = value.shape.indices.filter { value.shape[$0].isPerElement }
        guard open.count <= 1 else {
            throw ONNXExportError(
                "a reshape to \(value.shape.map(\.count)) has several sizes that follow the batch; export it for a batch of one size")
        }
        var target = value.shape.map(\.count)
        if let axis = open.first { target[axis] = -1 }
        let name = add("Reshape", [source.name, integers(target, "shape")])
        knownViews[value] = name
        return .inOrder(name, value.shape, value.type)
    }

    /// The value with its axes in the order `layout` before it is reshaped.
    private mutating func transposed(_ value: ExportedValue, _ layout: [Int]) -> ExportedValue {
        if value.layout == layout { return value }
        var result = value
        result.layout = layout
        result.stored = layout.map { value.stored[value.place(of: $0)] }
        // Whatever it is reshaped to afterwards, it is transposed once.
        var key = result
        key.shape = key.plain
        if let name = knownViews[key] {
            result.name = name
            return result
        }
        result.name = add(
            "Transpose", [value.name], ["perm": .integers(layout.map { value.place(of: $0) })])
        knownViews[key] = result.name
        return result
    }

    /// The value row by row in the file; a pending reshape stays pending.
    mutating func rowMajor(_ value: ExportedValue) -> ExportedValue {
        transposed(value, Array(value.layout.indices))
    }

    /// The value, no longer to be reshaped, with its axes in the order `layout`.
    mutating func arranged(_ value: ExportedValue, _ layout: [Int]) throws(ONNXExportError) -> ExportedValue {
        try transposed(settled(value), layout)
    }

    mutating func inOrder(_ value: ExportedValue) throws(ONNXExportError) -> ExportedValue {
        try arranged(value, Array(value.shape.indices))
    }

    /// A constant with its axes in the order `layout`, repeated as often as the batch has elements.
    mutating func placed(_ constant: BatchConstant, _ layout: [Int], _ role: String) -> String {
        let isInOrder = layout == Array(layout.indices)
        let tensor = isInOrder ? constant.tensor : constant.tensor.permuted(layout)
        let name = self.constant(tensor, role)
        guard !constant.repeatedAxes.isEmpty else { return name }
        let repeats = layout.map { Extent(count: 1, isPerElement: constant.repeatedAxes.contains($0)) }
        return add("Tile", [name, sizes(repeats)])
    }

    /// An operand row by row, whatever it is.
    mutating func name(of operand: BatchTrace.Operand, _ role: String) throws(ONNXExportError) -> String {
        switch operand {
        case .value(let index): try inOrder(values[index]!).name
        case .constant(let constant): placed(constant, Array(constant.tensor.shape.indices), role)
        }
    }

    /// The value that an operand is; a constant becomes one.
    mutating func value(of operand: BatchTrace.Operand, _ role: String = "constant") throws(ONNXExportError)
        -> ExportedValue
    {
        switch operand {
        case .value(let index): return values[index]!
        case .constant(let constant):
            let type: ElementType =
                constant.tensor.elementType.isFloatingPoint ? .float32 : constant.tensor.elementType
            return .inOrder(try name(of: operand, role), constant.shape, type)
        }
    }
}

extension Tensor {
    /// The elements' bytes, row by row.
    fileprivate var bytes: [UInt8] { withBytes { Array($0) } }

    /// Calls `body` with the elements' bytes, row by row.
    /// - Precondition: the elements are `float32`, `int64` or `bool`.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        switch elementType {
        case .int64: try withScalars(as: Int64.self) { try body(UnsafeRawBufferPointer($0)) }
        case .bool: try withScalars(as: Bool.self) { try body(UnsafeRawBufferPointer($0)) }
        default: try withScalars(as: Float.self) { try body(UnsafeRawBufferPointer($0)) }
        }
    }
}
