import PandoTensor

/// The nodes of a model in an order in which they can run, and its constants.
struct ONNXGraph: Sendable {
    /// What the file says of an input or output.
    struct Description: Sendable {
        let name: String
        let type: ONNXElementType
        /// `nil` for sizes that differ from run to run; `nil` altogether if the file does not say.
        let shape: [Int?]?
    }

    var inputs: [Description]
    var outputs: [Description]
    /// Each after those whose values it reads.
    var nodes: [ONNXNode]
    var constants: [String: ONNXValue]
    /// What the file says of values between.
    var descriptions: [String: Description]
    /// Version of ONNX's own operators.
    let operatorSet: Int
}

extension ONNXGraph {
    /// Everything that is wrong with names and order; puts the nodes in order.
    mutating func sort() -> [ONNXError.Problem] {
        var problems: [ONNXError.Problem] = []
        var producers: [String: Int] = [:]
        let given = Set(inputs.map(\.name)).union(constants.keys)
        if Set(inputs.map(\.name)).count != inputs.count {
            problems.append(.init(.graph, "two inputs of the graph have one name"))
        }
        for (index, node) in nodes.enumerated() {
            for name in node.outputs where !name.isEmpty {
                if given.contains(name) || producers[name] != nil {
                    problems.append(node.problem(.graph, tensor: name, "the value is made twice"))
                }
                producers[name] = index
            }
            if node.outputs.allSatisfy(\.isEmpty) {
                problems.append(node.problem(.graph, "the node has no outputs"))
            }
        }
        for node in nodes {
            for name in node.inputs where !name.isEmpty && !given.contains(name) && producers[name] == nil {
                problems.append(node.problem(.graph, tensor: name, "nothing in the graph makes this value"))
            }
        }
        for output in outputs where producers[output.name] == nil && !given.contains(output.name) {
            problems.append(.init(.graph, tensor: output.name, "nothing in the graph makes this output"))
        }
        if problems.isEmpty { order(producers, &problems) }
        return problems
    }

    /// Kahn's algorithm; of nodes that could run the one that the file has first.
    private mutating func order(_ producers: [String: Int], _ problems: inout [ONNXError.Problem]) {
        var waiting = nodes.map { node in Set(node.inputs.compactMap { producers[$0] }).count }
        var readers = [[Int]](repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() {
            for producer in Set(node.inputs.compactMap { producers[$0] }) { readers[producer].append(index) }
        }
        var sorted: [Int] = []
        // What is in order already, as it should be, takes one pass.
        var ready = nodes.indices.filter { waiting[$0] == 0 }
        while !ready.isEmpty {
            var next: [Int] = []
            for index in ready {
                sorted.append(index)
                for reader in readers[index] {
                    waiting[reader] -= 1
                    if waiting[reader] == 0 { next.append(reader) }
                }
            }
            ready = next.sorted()
        }
        if sorted.count < nodes.count, let stuck = nodes.indices.first(where: { waiting[$0] > 0 }) {
            problems.append(
                nodes[stuck].problem(
                    .graph, "\(nodes.count - sorted.count) nodes wait for each other in a circle, or for one that does"))
            return
        }
        if sorted != Array(nodes.indices) { nodes = isInOrder(producers) ? nodes : sorted.map { nodes[$0] } }
    }

    private func isInOrder(_ producers: [String: Int]) -> Bool {
        nodes.enumerated().allSatisfy { index, node in
            node.inputs.allSatisfy { (producers[$0] ?? -1) < index }
        }
    }
}
