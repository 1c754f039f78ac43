import PandoTensor

/// Brings a graph into a form that programs run fast: constants computed, nodes that nobody needs left out, and
/// operators that exporters took apart put together again.
///
/// A pattern replaces the node that makes its result; those before it go by themselves if nobody else reads what they
/// make. So every rewriting is right whoever else reads the values between, taps included.
struct Rewriter {
    private(set) var nodes: [ONNXNode?]
    private(set) var constants: [String: ONNXValue]
    private(set) var producers: [String: Int] = [:]
    private var readers: [String: Int] = [:]
    private let wanted: [String]
    private let operatorSet: Int
    private let path: String
    /// Names that stand for another value.
    private var aliases: [String: String] = [:]

    /// Larger constants than these are computed in each run: they may be shapes blown up.
    private static let foldingLimit = 1 << 26

    init(_ graph: ONNXGraph, wanted: [String], path: String) {
        nodes = graph.nodes
        constants = graph.constants
        operatorSet = graph.operatorSet
        self.wanted = wanted
        self.path = path
    }

    /// The nodes that make the wanted values, and the constants that they read.
    mutating func rewritten() throws -> (nodes: [ONNXNode], constants: [String: ONNXValue], aliases: [String: String]) {
        removeUnneeded()
        try fold()
        index()
        rewrite { $0.activation(at: $1) }
        rewrite { $0.layerNorm(at: $1) }
        rewrite { $0.linear(at: $1) }
        removeUnneeded()
        index()
        rewriteScaledLinears()
        index()
        let known = valuesKnownWithShapes
        rewrite { $0.attention(at: $1, known) }
        removeUnneeded()
        let kept = nodes.compactMap(\.self)
        let read = Set(kept.flatMap(\.inputs)).union(wanted.map(resolved))
        return (kept, constants.filter { read.contains($0.key) }, aliases)
    }

    func resolved(_ name: String) -> String { aliases[name] ?? name }

    // MARK: What patterns ask

    func producer(of name: String, _ type: String) -> ONNXNode? {
        guard let index = producers[name], let node = nodes[index], node.label == type else { return nil }
        return node
    }

    func isConstant(_ name: String) -> Bool { constants[name] != nil }

    /// The number that a constant of one element is.
    func number(_ name: String) -> Float? {
        guard let value = constants[name], value.kind == .float, value.stored.elementCount == 1 else { return nil }
        return value.stored.shaped([]).scalar()
    }

    func readerCount(_ name: String) -> Int { readers[name] ?? 0 }

    mutating func addConstant(_ name: String, _ value: @autoclosure () -> ONNXValue) -> String {
        if constants[name] == nil { constants[name] = value() }
        return name
    }

    mutating func replace(_ index: Int, with node: ONNXNode) {
        nodes[index] = node
        for output in node.outputs where !output.isEmpty { producers[output] = index }
    }

    // MARK: Passes

    private mutating func rewrite(_ pattern: (inout Rewriter, Int) -> ONNXNode?) {
        for index in nodes.indices where nodes[index] != nil {
            if let node = pattern(&self, index) { replace(index, with: node) }
        }
    }

    private mutating func index() {
        producers = [:]
        readers = [:]
        for (index, node) in nodes.enumerated() {
            guard let node else { continue }
            for output in node.outputs where !output.isEmpty { producers[output] = index }
            for input in node.inputs where !input.isEmpty { readers[input, default: 0] += 1 }
        }
        for name in wanted { readers[resolved(name), default: 0] += 1 }
    }

    private mutating func removeUnneeded() {
        var needed = Set(wanted.map(resolved))
        for index in nodes.indices.reversed() {
            guard let node = nodes[index] else { continue }
            if node.outputs.contains(where: needed.contains) {
                needed.formUnion(node.inputs)
                // An output that nobody reads need not be computed.
                nodes[index]?.outputs = node.outputs.map { needed.contains($0) ? $0 : "" }
                while nodes[index]?.outputs.last == "" { nodes[index]?.outputs.removeLast() }
            } else {
                nodes[index] = nil
            }
        }
    }

    /// Computes nodes whose inputs are all constants, and lets the readers of identities read what those read.
    private mutating func fold() throws {
        for index in nodes.indices {
            guard var node = nodes[index] else { continue }
            node.inputs = node.inputs.map(resolved)
            nodes[index] = node
            if node.domain.isEmpty, node.type == "Identity" || (node.type == "Dropout" && node.outputs.count == 1 && node.inputs.count < 3),
                node.inputs.count >= 1, node.outputs.count == 1
            {
                aliases[node.outputs[0]] = node.inputs[0]
                nodes[index] = nil
                continue
            }
            guard node.inputs.allSatisfy({ $0.isEmpty || constants[$0] != nil }),
                let implementation = OperatorTable.implementation(of: node)
            else { continue }
            let call = OperatorCall(
                node: node, inputs: node.inputs.map { $0.isEmpty ? nil : constants[$0] }, operatorSet: operatorSet)
            let results = try implementation(call)
            guard results.allSatisfy({ $0.stored.elementCount <= Self.foldingLimit }) else { continue }
            for (name, result) in zip(node.outputs, results) where !name.isEmpty { constants[name] = result }
            nodes[index] = nil
        }
    }

    /// Names of values that are known as soon as the shapes of the inputs are.
    private var valuesKnownWithShapes: Set<String> {
        var known = Set(constants.keys)
        for case let node? in nodes
        where node.label == "Shape" || node.label == "Size" || node.inputs.allSatisfy({ $0.isEmpty || known.contains($0) }) {
            known.formUnion(node.outputs)
        }
        return known
    }

    /// Folds factors for each feature into the linear map before them.
    private mutating func rewriteScaledLinears() {
        for index in nodes.indices where nodes[index]?.label == "Mul" { scaledLinear(at: index) }
    }
}
