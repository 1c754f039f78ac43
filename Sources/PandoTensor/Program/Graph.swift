/// What a traced function computes: operations in order, each value produced once.
///
/// The trace is the tape: running a function on a leaf that is marked as traced records every operation and every
/// constant between it and the results.
struct Graph {
    /// An operand of an operation.
    enum Operand {
        /// The value that node `index` computes; node 0 is the input.
        case value(Int)
        case constant(Tensor)
    }

    struct GraphNode {
        let operation: (any Operation)?
        let operands: [Operand]
        let shape: [Int]
    }

    private(set) var nodes: [GraphNode] = []
    /// The nodes whose values are asked for.
    private(set) var outputs: [Int] = []

    /// Runs `function` once on zeros of `shape` and records what it does.
    init(tracing shape: [Int], _ function: (Tensor) -> [Tensor]) {
        let leaf = Tensor.zeros(shape).with(Node(leafOf: shape, .float32, isTrace: true))
        let results = function(leaf)
        var order: [ObjectIdentifier: Int] = [:]
        var found: [ObjectIdentifier: Node] = [:]
        for result in results {
            guard let node = result.node else { stop("program: an output does not depend on the input") }
            for ancestor in node.ancestorsNewestFirst { found[ObjectIdentifier(ancestor)] = ancestor }
        }
        for node in found.values.sorted(by: { $0.sequence < $1.sequence }) {
            order[ObjectIdentifier(node)] = nodes.count
            let operands = zip(node.parents, node.saved.inputs).map { parent, constant -> Operand in
                if let parent { return .value(order[ObjectIdentifier(parent)]!) }
                return .constant(constant!)
            }
            nodes.append(GraphNode(operation: node.operation, operands: operands, shape: node.outputShape))
        }
        outputs = results.map { order[ObjectIdentifier($0.node!)]! }
    }

    /// The value whose bytes `value` shares: reshaping moves nothing.
    func root(of value: Int) -> Int {
        guard nodes[value].operation is Reshape, case .value(let source) = nodes[value].operands[0] else { return value }
        return root(of: source)
    }

    /// For each node, the nodes that read its value.
    var consumers: [[Int]] {
        var consumers = [[Int]](repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() {
            for case .value(let source) in node.operands { consumers[source].append(index) }
        }
        return consumers
    }
}
