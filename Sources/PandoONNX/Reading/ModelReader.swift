import Foundation
import PandoTensor
import SwiftProtobuf

/// Reads a model's file, checks what it says and makes a graph of it.
struct ModelReader {
    let url: URL
    private(set) var problems: [ONNXError.Problem] = []
    private(set) var externalFiles: [String: MappedFile] = [:]

    /// ONNX's own operators, as far as they mean the same here.
    static let operatorSets = 13...28
    /// More than any network has; what is beyond was made to exhaust memory.
    static let nodeLimit = 1_000_000

    init(_ url: URL) { self.url = url }

    /// - Throws: `ONNXError` with everything that is wrong.
    mutating func read() throws(ONNXError) -> (graph: ONNXGraph, producer: String) {
        let file: MappedFile
        do { file = try MappedFile(url) } catch {
            throw ONNXError(path: url.path, [.init(.file, String(cString: strerror(error.code)))])
        }
        guard let start = file.bytes.baseAddress else {
            throw ONNXError(path: url.path, [.init(.file, "the file is empty")])
        }
        let model: WireModel
        do {
            let bytes = Data(
                bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: file.count, deallocator: .none)
            model = try withExtendedLifetime(file) { try WireModel(serializedBytes: bytes) }
        } catch {
            throw ONNXError(
                path: url.path,
                [.init(.file, "this is no ONNX model, or it is cut short: \(error)")])
        }
        return try graph(of: model)
    }

    private mutating func graph(of model: WireModel) throws(ONNXError) -> (graph: ONNXGraph, producer: String) {
        guard model.hasGraph, !model.graph.node.isEmpty || !model.graph.output.isEmpty else {
            throw ONNXError(path: url.path, [.init(.file, "the file holds no graph: it is no ONNX model, or it is cut short")])
        }
        let wire = model.graph
        guard wire.node.count <= Self.nodeLimit else {
            throw ONNXError(path: url.path, [.init(.graph, "\(wire.node.count) nodes, at most \(Self.nodeLimit) are read")])
        }
        let version = model.opsetImport.last { $0.domain.isEmpty || $0.domain == "ai.onnx" }.map { Int($0.version) }
        if !(version.map(Self.operatorSets.contains) ?? false) {
            problems.append(
                .init(
                    .unsupported,
                    "operator set \(version.map(String.init) ?? "not stated"), expected \(Self.operatorSets.lowerBound) to \(Self.operatorSets.upperBound); export the model again with one of these"
                ))
        }
        for function in model.functions {
            problems.append(
                .init(
                    .unsupported, operator: "\(function.domain).\(function.name)",
                    "a function that the model brings along; inline functions (onnx.inliner.inline_local_functions)"))
        }
        if !wire.sparseInitializer.isEmpty {
            problems.append(
                .init(.unsupported, tensor: wire.sparseInitializer[0].values.name, "sparse values are not read"))
        }
        var constants: [String: ONNXValue] = [:]
        for values in wire.initializer {
            if constants[values.name] != nil {
                problems.append(.init(.graph, tensor: values.name, "two constants have this name"))
            }
            constants[values.name] = value(of: values, "value")
        }
        // Older files list constants among the inputs too.
        let inputs = wire.input.filter { constants[$0.name] == nil }.compactMap { description($0) }
        let outputs = wire.output.compactMap { description($0) }
        var descriptions: [String: ONNXGraph.Description] = [:]
        for info in wire.valueInfo where info.type.hasTensorType { descriptions[info.name] = description(info) }
        var graph = ONNXGraph(
            inputs: inputs, outputs: outputs, nodes: wire.node.map { node($0) }, constants: constants,
            descriptions: descriptions, operatorSet: version ?? 0)
        problems += graph.sort()
        let unsupported = graph.nodes.filter { OperatorTable.implementation(of: $0) == nil }
        problems += unsupported.map { $0.problem(.unsupported, "the operator is not supported") }
        if !problems.isEmpty { throw ONNXError(path: url.path, problems) }
        let producer = [model.producerName, model.producerVersion].filter { !$0.isEmpty }.joined(separator: " ")
        return (graph, producer)
    }

    private mutating func description(_ info: WireValueInfo) -> ONNXGraph.Description? {
        guard info.hasType, info.type.hasTensorType,
            let type = ONNXElementType(rawValue: Int(info.type.tensorType.elemType)), type.kind != nil
        else {
            problems.append(
                .init(
                    .unsupported, tensor: info.name,
                    "it is no tensor of numbers or truth values (element type \(info.type.tensorType.elemType))"))
            return nil
        }
        var shape: [Int?]?
        if info.type.tensorType.hasShape {
            var sizes: [Int?] = []
            for dimension in info.type.tensorType.shape.dim {
                if dimension.hasDimValue, dimension.dimValue < 0 {
                    problems.append(.init(.values, tensor: info.name, "a size of \(dimension.dimValue) is negative"))
                }
                sizes.append(dimension.hasDimValue ? Int(dimension.dimValue) : nil)
            }
            shape = sizes
        }
        return ONNXGraph.Description(name: info.name, type: type, shape: shape)
    }

    private mutating func node(_ wire: WireNode) -> ONNXNode {
        var node = ONNXNode(
            name: wire.name, type: wire.opType, domain: wire.domain == "ai.onnx" ? "" : wire.domain,
            inputs: wire.input, outputs: wire.output, attributes: [:])
        for attribute in wire.attribute { node.attributes[attribute.name] = self.attribute(attribute, of: node) }
        return node
    }

    private mutating func attribute(_ wire: WireAttribute, of node: ONNXNode) -> ONNXAttribute {
        switch wire.type {
        case 1: return .float(wire.f)
        case 2: return .integer(Int(wire.i))
        case 3: return .string(String(decoding: wire.s, as: UTF8.self))
        case 4:
            // A tensor of text is no fault as long as nobody reads it: the node's operator decides.
            guard wire.t.dataType != ONNXElementType.string.rawValue else { return .other }
            return value(of: wire.t, "attribute \(wire.name) of \(node.place)").map { .tensor($0) } ?? .other
        case 6: return .floats(wire.floats)
        case 7: return .integers(wire.ints.map { Int($0) })
        case 8: return .strings(wire.strings.map { String(decoding: $0, as: UTF8.self) })
        default: return .other
        }
    }

    private mutating func value(of wire: WireValues, _ what: String) -> ONNXValue? {
        do {
            return try TensorReader(model: url).value(of: wire, files: &externalFiles)
        } catch let fault as TensorReader.Fault {
            problems.append(.init(fault.kind, tensor: wire.name.isEmpty ? what : wire.name, fault.text))
        } catch {
            problems.append(.init(.values, tensor: wire.name.isEmpty ? what : wire.name, "\(error)"))
        }
        return nil
    }
}
