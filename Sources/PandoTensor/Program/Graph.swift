/// What a traced function computes: operations in order, each value produced once.
///
/// The trace is the tape: running a function on a leaf that is marked as traced records every operation and every
/// constant between it and the results.
struct Graph {
    /// An operand of an operation.
    enum Operand {
        /// The value that node `index` computes; the first nodes are the inputs.
        case value(Int)
        case constant(Tensor)
    }

    struct GraphNode {
        let operation: (any Operation)?
        let operands: [Operand]
        let shape: [Int]
    }

    /// Each value before those that are computed from it.
    var nodes: [GraphNode] = []
    /// The nodes whose values are asked for.
    var outputs: [Int] = []
    let inputs: [Program.Input]

    /// Runs a function of one `float32` value once on zeros of `shape` and records what it does.
    init(tracing shape: [Int], _ function: (Tensor) -> [Tensor]) {
        self.init(tracing: [Program.Input(shape: shape)]) { function($0[0]) }
    }

    /// Runs `function` once on zeros and records what it does.
    init(tracing inputs: [Program.Input], _ function: ([Tensor]) -> [Tensor]) {
        self.inputs = inputs
        let leaves = inputs.map { input in
            Tensor.zeros(input.shape, input.type).with(Node(leafOf: input.shape, input.type, isTrace: true))
        }
        let results = function(leaves)
        var order: [ObjectIdentifier: Int] = [:]
        var found: [ObjectIdentifier: Node] = [:]
        // An input that nobody reads keeps its place.
        for leaf in leaves.compactMap(\.node) { found[ObjectIdentifier(leaf)] = leaf }
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
        mergeProjections()
    }

    /// The value whose bytes `value` shares: reshaping moves nothing.
    func root(of value: Int) -> Int {
        guard nodes[value].operation is Reshape, case .value(let source) = nodes[value].operands[0] else { return value }
        return root(of: source)
    }

    /// The same number for graphs of the same operations on the same operands, whatever their shapes: a function may
    /// leave out an operation where an axis has one element.
    var structure: Int {
        var hasher = Hasher()
        for node in nodes {
            if let operation = node.operation { hasher.combine(ObjectIdentifier(type(of: operation))) }
            for operand in node.operands {
                if case .value(let value) = operand { hasher.combine(value) } else { hasher.combine(-1) }
            }
        }
        return hasher.finalize()
    }

    func isInput(_ value: Int) -> Bool { value < inputs.count }

    /// For each node, the nodes that read its value.
    var consumers: [[Int]] {
        var consumers = [[Int]](repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() {
            for case .value(let source) in node.operands { consumers[source].append(index) }
        }
        return consumers
    }
}
