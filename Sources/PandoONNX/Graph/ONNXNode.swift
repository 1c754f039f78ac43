import PandoTensor

/// One operation of a graph.
struct ONNXNode: Sendable {
    /// Operators of this package alone, which rewriting makes of several of ONNX's.
    static let fusedDomain = "pando"

    var name: String
    var type: String
    /// Empty for ONNX's own operators.
    var domain: String
    /// Names of values; empty where an optional input is left out.
    var inputs: [String]
    /// Names of values; empty where nobody wants an output.
    var outputs: [String]
    var attributes: [String: ONNXAttribute]

    /// The operator, with its domain unless that is ONNX's own.
    var label: String { domain.isEmpty ? type : "\(domain).\(type)" }

    /// The name by which messages call the node.
    var place: String { name.isEmpty ? outputs.first { !$0.isEmpty } ?? "" : name }

    func problem(_ kind: ONNXError.Problem.Kind, tensor: String? = nil, _ text: String) -> ONNXError.Problem {
        ONNXError.Problem(kind, node: place, operator: label, tensor: tensor, text)
    }
}

/// A constant of a node.
enum ONNXAttribute: Sendable {
    case integer(Int)
    case float(Float)
    case string(String)
    case integers([Int])
    case floats([Float])
    case strings([String])
    case tensor(ONNXValue)
    /// A graph inside the node, or something else that no operator here reads.
    case other

    var name: String {
        switch self {
        case .integer: "an integer"
        case .float: "a float"
        case .string: "a string"
        case .integers: "integers"
        case .floats: "floats"
        case .strings: "strings"
        case .tensor: "a tensor"
        case .other: "of a kind that is not read"
        }
    }
}

/// A fault at one node, before it is known in which file.
struct NodeFault: Error {
    let problem: ONNXError.Problem
}

extension ONNXNode {
    func integer(_ name: String) throws -> Int? {
        guard let attribute = attributes[name] else { return nil }
        guard case .integer(let value) = attribute else { throw wrong(name, attribute, "an integer") }
        return value
    }

    func integer(_ name: String, default value: Int) throws -> Int { try integer(name) ?? value }

    func flag(_ name: String, default value: Bool = false) throws -> Bool { try integer(name).map { $0 != 0 } ?? value }

    func float(_ name: String) throws -> Float? {
        guard let attribute = attributes[name] else { return nil }
        guard case .float(let value) = attribute else { throw wrong(name, attribute, "a float") }
        return value
    }

    func float(_ name: String, default value: Float) throws -> Float { try float(name) ?? value }

    func string(_ name: String, default value: String) throws -> String {
        guard let attribute = attributes[name] else { return value }
        guard case .string(let text) = attribute else { throw wrong(name, attribute, "a string") }
        return text
    }

    func integers(_ name: String) throws -> [Int]? {
        guard let attribute = attributes[name] else { return nil }
        guard case .integers(let values) = attribute else { throw wrong(name, attribute, "integers") }
        return values
    }

    func floats(_ name: String) throws -> [Float]? {
        guard let attribute = attributes[name] else { return nil }
        guard case .floats(let values) = attribute else { throw wrong(name, attribute, "floats") }
        return values
    }

    func tensor(_ name: String) throws -> ONNXValue? {
        guard let attribute = attributes[name] else { return nil }
        guard case .tensor(let value) = attribute else { throw wrong(name, attribute, "a tensor") }
        return value
    }

    private func wrong(_ name: String, _ attribute: ONNXAttribute, _ expected: String) -> NodeFault {
        NodeFault(problem: problem(.graph, "attribute \"\(name)\" is \(attribute.name), expected \(expected)"))
    }
}
